#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "data/image_source.h"
#include "kaem/data/options.h"

namespace kaem {

/// How an encoded image becomes a record.
struct ImageRecipe {
  std::array<int64_t, 3> shape{};  ///< channels, height, width of a record
  int64_t crop = 0;  ///< side of the centred square that is kept; 0: the largest centred part with a record's
                     ///< proportions
};

/// An image as bytes [C,H,W] by the recipe: crop, antialiased bilinear resize, rounding. DataError names `name` if it
/// cannot be decoded or is too small.
at::Tensor make_record(const std::string& file, const ImageRecipe& recipe, const std::string& name);

/// Records of a source that are decoded when they are first asked for and then kept in a memory-mapped cache file
/// (docs/file-formats.md), so that the next run decodes nothing. Without a cache folder they are kept in memory.
class ImageStore {
 public:
  /// `rows`: numbers of the source's images, the order of the records. `notes` gets a line where no cache can be used.
  ImageStore(std::shared_ptr<ImageSource> source, std::vector<size_t> rows, const ImageRecipe& recipe,
             std::vector<std::string>& notes);
  ~ImageStore();
  ImageStore(const ImageStore&) = delete;
  ImageStore& operator=(const ImageStore&) = delete;

  /// uint8 [N,C,H,W]. Rows hold nothing before `prepare`.
  const at::Tensor& images() const { return images_; }

  /// Decodes rows `first` to `first + count` that are not there yet and returns those that cannot be, in order;
  /// `reason`, if empty, gets the message of the first. `progress` is told of pictures.
  std::vector<int64_t> find_damaged(int64_t first, int64_t count, std::string& reason, const DataProgress& progress);

  /// Decodes those of the rows (int64 [n]) that are not there yet, on several threads. Any thread may call it.
  void prepare(const at::Tensor& rows);

 private:
  struct Cache;
  void decode(int64_t row);

  std::shared_ptr<ImageSource> source_;
  std::vector<size_t> rows_;
  ImageRecipe recipe_;
  std::shared_ptr<Cache> cache_;  ///< held by `images_` too
  at::Tensor images_;
  std::mutex mutex_;            ///< one `prepare` at a time
  std::vector<uint8_t> ready_;  ///< rows whose checksum was seen to be right in this process
};

}  // namespace kaem
