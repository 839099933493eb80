#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>

#include "kaem/core/shape.h"

/// Maps from pictures to the features that distances are taken of. docs/mathematics.md section 7.
namespace kaem::metrics {

class Features {
 public:
  virtual ~Features() = default;

  /// Features of pictures [n,C,H,W] in [0,1], on any device, taken a batch at a time: float32 [n,F] on the CPU.
  at::Tensor operator()(const at::Tensor& pictures) const;

  /// What has to stand beside every number that rests on them: network, digest, rule of sizes.
  virtual std::string description() const = 0;

  /// What tells these features from those of another network: of the file or of the data that it was trained on.
  virtual std::string digest() const = 0;

  /// Short, for the names of numbers: "FID" or "classifier FID".
  virtual std::string prefix() const = 0;

 protected:
  virtual at::Tensor of_batch(const at::Tensor& pictures) const = 0;
};

/// Those of a TorchScript network that the user names, on `device`. One whose forward has an argument return_features
/// (the Inception network that the StyleGAN authors distribute) gets it set, and bytes 0 to 255 of three channels, as
/// there; any other gets pictures in [0,1]. Grey pictures are repeated on three channels where one channel is not
/// taken. DataError if the file is no such network or does not take pictures of `shape`.
std::unique_ptr<Features> network_features(const std::string& path, const DataShape& shape, const std::string& device);

/// Labelled pictures: uint8 or float32 [N,C,H,W] as in Dataset, labels int64 [N].
struct Labelled {
  at::Tensor pictures, labels;
};

/// The 128 features before the last layer of a small convolutional network that is trained here on the labels, always
/// to the same weights on the same machine and number of threads. They are kept in `folder` (empty: nowhere) under a
/// name made of the data, and read from there. `progress` is told passes done, their number, and the loss. DataError if
/// there are fewer than two classes.
std::unique_ptr<Features> classifier_features(const Labelled& train, const Labelled& test, const std::string& folder,
                                              const std::string& device,
                                              const std::function<void(int64_t, int64_t, double)>& progress = {});

}  // namespace kaem::metrics
