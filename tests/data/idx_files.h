#pragma once

#include <cstdint>
#include <string>

#include "kaem/data/dataset.h"
#include "support/files.h"

/// Data sets of MNIST's form, byte for byte.
namespace kaem::test::idx {

inline std::string word(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 255);
  return bytes;
}

inline constexpr int64_t kSide = 6;

/// Pixel p of image i of a file of images.
inline int pixel(int64_t i, int64_t p) { return static_cast<int>((i * 37 + p * 11) % 256); }

inline std::string idx_images(uint32_t count, uint32_t height = kSide, uint32_t width = kSide) {
  std::string bytes = word(2051) + word(count) + word(height) + word(width);
  for (uint32_t i = 0; i < count; ++i)
    for (uint32_t p = 0; p < height * width; ++p) bytes += static_cast<char>(pixel(i, p));
  return bytes;
}

inline std::string idx_labels(uint32_t count, int first = 0) {
  std::string bytes = word(2049) + word(count);
  for (uint32_t i = 0; i < count; ++i) bytes += static_cast<char>((first + i) % 10);
  return bytes;
}

struct Files {
  std::string train_images = idx_images(30), train_labels = idx_labels(30), test_images = idx_images(8),
              test_labels = idx_labels(8, 3);
};

/// Puts the four files into a folder below `root`; `between` is the character before "idx", `pack` makes .gz of them.
inline void put_files(const TemporaryFolder& root, const Files& files, const std::string& folder = "mnist",
                      char between = '-', bool pack = false) {
  const auto put = [&](const std::string& stem, const std::string& kind, const std::string& bytes) {
    test::put(root / (folder + "/" + stem + between + kind + "-ubyte" + (pack ? ".gz" : "")),
              pack ? test::gzip(bytes) : bytes);
  };
  put("train-images", "idx3", files.train_images);
  put("train-labels", "idx1", files.train_labels);
  put("t10k-images", "idx3", files.test_images);
  put("t10k-labels", "idx1", files.test_labels);
}

inline Dataset load(const TemporaryFolder& root, int64_t train = 30, int64_t test = 8,
                    const std::string& name = "MNIST") {
  return make_dataset({.name = name, .root = root.str(), .train_size = train, .test_size = test, .offline = true});
}

}  // namespace kaem::test::idx
