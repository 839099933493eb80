#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

namespace kaem::io {

/// A network of TorchScript (torch.jit.save) from a file that the user names: in evaluation mode, without gradients of
/// its parameters.
class ScriptNetwork {
 public:
  /// DataError, without the path, if the file is no such network or has no method forward. It is tried in a process of
  /// its own first: code that nests deeply ends LibTorch's parser by a signal.
  explicit ScriptNetwork(const std::string& path);
  ~ScriptNetwork();
  ScriptNetwork(ScriptNetwork&&) noexcept;

  /// Moves the network.
  void to(const at::TensorOptions& device_and_dtype);

  /// True if forward has an argument of this name.
  bool takes(const std::string& argument) const;

  /// forward(x), or with a name forward(x, name=True): a floating-point tensor of as many rows as x. DataError if it
  /// gives anything else, c10::Error or std::runtime_error if it does not take x.
  at::Tensor operator()(const at::Tensor& x, const std::string& flag = "") const;

 private:
  struct Module;  ///< keeps TorchScript's headers out of this one
  std::unique_ptr<Module> module_;
};

}  // namespace kaem::io
