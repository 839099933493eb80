#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>
#include <torch/version.h>

#include <filesystem>
#include <mutex>
#include <string>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/ops/ops.h"

namespace kaem {
namespace {

/// Folder of the shared library that holds `symbol`, with its last slash.
std::string folder_of(const void* symbol) {
  Dl_info info{};
  if (dladdr(symbol, &info) == 0 || info.dli_fname == nullptr) return "";
  const std::string path = info.dli_fname;
  return path.substr(0, path.rfind('/') + 1);
}

/// Opens a library with its symbols visible to later ones: LibTorch's registers the CUDA backend as it loads.
void* open_library(const std::string& path) { return dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL); }

/// The kernels are compiled against one minor version of LibTorch, whose internals may change with the next.
void check_kernel_version(void* library, const std::string& path) {
  using Version = const char* (*)();
  const auto version = reinterpret_cast<Version>(dlsym(library, "kaem_cuda_torch_version"));
  const std::string built = version == nullptr ? "unknown" : version(),
                    here = str(TORCH_VERSION_MAJOR, ".", TORCH_VERSION_MINOR);
  if (built != here)
    throw UsageError(str("device cuda: ", path, " was built for LibTorch ", built, ", this is ", here));
}

/// LibTorch makes its link to the CUDA library at the first question, once: too early, and it stays a dummy, which
/// throws.
bool knows_cuda() {
  try {
    at::detail::getCUDAHooks().versionCUDART();
    return true;
  } catch (const c10::Error&) {
    return false;
  }
}

void load() {
  // Asked first: opening LibTorch's CUDA library takes seconds, which a machine without a driver should not wait for.
  if (dlopen("libcuda.so.1", RTLD_LAZY) == nullptr)
    throw UsageError("device cuda: there is no NVIDIA driver on this machine; use --device cpu");
  const std::string torch_folder = folder_of(reinterpret_cast<const void*>(&at::globalContext));
  const std::string torch_cuda = torch_folder + "libtorch_cuda.so";
  if (open_library(torch_cuda) == nullptr)
    throw UsageError(str("device cuda: LibTorch's CUDA library cannot be opened (", dlerror(), "); use --device cpu"));
  if (!knows_cuda())
    throw UsageError(
        "device cuda: LibTorch has already settled that there is no CUDA (torch::manual_seed and others ask); "
        "call kaem::load_cuda() before them");
  if (!at::globalContext().hasCUDA() || at::detail::getCUDAHooks().deviceCount() == 0)
    throw UsageError("device cuda: no CUDA device was found (no NVIDIA driver, or no GPU); use --device cpu");
  at::globalContext().setAllowTF32CuDNN(false);  // LibTorch's default; FP32 is to mean FP32
  const std::string kernels = folder_of(reinterpret_cast<const void*>(&load_cuda)) + "libkaem_cuda.so";
  // Without it every operator still runs on the GPU, by its reference implementation.
  if (void* library = open_library(kernels)) return check_kernel_version(library, kernels);
  const std::string reason = dlerror();
  if (std::filesystem::exists(kernels)) throw UsageError(str("device cuda: ", kernels, " cannot be opened: ", reason));
}

}  // namespace

void load_cuda() {
  static std::once_flag once;
  std::call_once(once, load);
}

}  // namespace kaem
