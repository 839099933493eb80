#include "kaem/metrics/features.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <vector>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"
#include "kaem/io/script_network.h"

namespace kaem::metrics {
namespace {

using at::Tensor;

/// Numbers of pictures that go through a network together.
constexpr int64_t kNumbersAtOnce = int64_t{1} << 20;

class NetworkFeatures : public Features {
 public:
  NetworkFeatures(const std::string& path, const DataShape& shape, const std::string& device)
      : path_(path), digest_(io::sha256(io::read_file(path))), device_(device), network_(open(path)) {
    network_.to(at::TensorOptions(at::Device(device)).dtype(at::kFloat));
    bytes_ = network_.takes(kFlag);
    repeats_ = shape[0] == 1 && !takes(shape);
    const Tensor probe = at::full({2, shape[0], shape[1], shape[2]}, 0.5);
    try {
      width_ = of_batch(probe).size(1);
    } catch (const DataError& error) {
      throw DataError(path + ": " + error.what());
    } catch (const std::exception&) {
      throw DataError(
          str(path, ": the network does not take pictures [n,", shape[0], ",", shape[1], ",", shape[2], "]"));
    }
  }

  std::string description() const override {
    return str("features of ", path_, " (SHA-256 ", digest_.substr(0, 16), ", ", width_, " features), pictures ",
               bytes_ ? "as bytes" : "in [0,1]", repeats_ ? " on three channels" : "",
               ", resized by the network alone");
  }

  std::string digest() const override { return digest_; }
  std::string prefix() const override { return ""; }

 protected:
  Tensor of_batch(const Tensor& pictures) const override {
    const c10::AutoGradMode no_grad(false);
    Tensor x = pictures.to(at::Device(device_), at::kFloat);
    if (repeats_) x = x.expand({x.size(0), 3, x.size(2), x.size(3)});
    if (bytes_) x = (x * 255).round().clamp(0, 255).to(at::kByte);
    return network_(x, bytes_ ? kFlag : "").flatten(1).to(at::kFloat);
  }

 private:
  static constexpr const char* kFlag = "return_features";

  static io::ScriptNetwork open(const std::string& path) {
    try {
      return io::ScriptNetwork(path);
    } catch (const DataError& error) {
      throw DataError(path + ": " + error.what());
    }
  }

  /// Whether one channel is enough.
  bool takes(const DataShape& shape) const {
    try {
      of_batch(at::full({2, shape[0], shape[1], shape[2]}, 0.5));
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

  std::string path_, digest_, device_;
  io::ScriptNetwork network_;
  bool bytes_ = false, repeats_ = false;
  int64_t width_ = 0;
};

}  // namespace

Tensor Features::operator()(const Tensor& pictures) const {
  TORCH_CHECK_VALUE(pictures.dim() == 4, "Features: expected pictures [n,C,H,W], got ", pictures.sizes());
  const int64_t numbers = pictures.size(1) * pictures.size(2) * pictures.size(3);
  std::vector<Tensor> parts;
  for (const Tensor& part : pictures.split(std::clamp<int64_t>(kNumbersAtOnce / numbers, 1, 1000)))
    parts.push_back(of_batch(part).cpu());
  Tensor all = at::cat(parts);
  if (!all.isfinite().all().item<bool>())
    throw DataError(str(description(), ": not all of them are finite, so that nothing can be said of ",
                        pictures.size(0), " pictures"));
  return all;
}

std::unique_ptr<Features> network_features(const std::string& path, const DataShape& shape, const std::string& device) {
  return std::make_unique<NetworkFeatures>(path, shape, device);
}

}  // namespace kaem::metrics
