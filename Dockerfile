# kaem in a container. For a processor:  docker build -t kaem .
# For an NVIDIA GPU (run with --gpus all):
#   docker build -t kaem-cuda --build-arg BASE=nvidia/cuda:13.0.1-devel-ubuntu24.04 --build-arg KAEM_TORCH=cuda --build-arg KAEM_CUDA=ON .
# Use:  docker run --rm -v "$PWD/data:/kaem/data" -v "$PWD/runs:/kaem/runs" kaem train --dataset DARCY_FLOW
ARG BASE=debian:12
FROM ${BASE}
ARG KAEM_TORCH=cpu
ARG KAEM_CUDA=OFF
WORKDIR /kaem
# What a machine needs: in a layer of its own, which changes of the sources leave as it is.
COPY scripts/install.sh scripts/install.sh
COPY requirements.txt requirements-cpu.txt ./
RUN KAEM_TORCH=${KAEM_TORCH} bash scripts/install.sh
COPY . .
RUN KAEM_TORCH=${KAEM_TORCH} make build CMAKE_ARGS="-DKAEM_CUDA=${KAEM_CUDA} -DKAEM_BUILD_TESTS=OFF"
ENTRYPOINT ["/kaem/build/kaem"]
CMD ["--help"]
