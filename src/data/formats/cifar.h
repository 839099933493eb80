#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// The two forms of CIFAR-10's batches, without torch. docs/file-formats.md.
namespace kaem {

constexpr int64_t kCifarPixels = 3 * 32 * 32;
constexpr int64_t kCifarRecord = 1 + kCifarPixels;

struct CifarBatch {
  std::vector<uint8_t> labels;           ///< 0 to 9
  std::vector<std::string_view> pixels;  ///< of each image: 3 planes of 32x32, part of the file or of `owner`
  std::shared_ptr<const void> owner = {};
};

/// The binary version: records of a label and 3072 pixels. DataError names `name` and the size found.
CifarBatch parse_cifar_binary(std::string_view file, const std::string& name);

/// The Python version: a pickle of a dict with an array `data` uint8 [N,3072] and a list `labels`.
CifarBatch parse_cifar_pickle(std::string_view file, const std::string& name);

}  // namespace kaem
