#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace kaem {

/// Encoded images of a folder or a .zip archive, in the order of their names.
class ImageSource {
 public:
  virtual ~ImageSource() = default;

  const std::vector<std::string>& names() const { return names_; }  ///< relative to the folder or archive
  const std::string& path() const { return path_; }

  /// Pictures that are no data: hidden ones and what macOS adds to archives.
  int64_t left_out() const { return left_out_; }
  /// Pictures of kinds that are not read here (.tif, .webp, ...).
  int64_t unknown() const { return unknown_; }

  /// Tells this source from others and from itself with other content: a line for each image, of name, size, and time
  /// or checksum.
  const std::string& identity() const { return identity_; }

  /// The file of image `index`. Safe in several threads at once. DataError if it cannot be read.
  virtual std::string read(size_t index) = 0;

 protected:
  std::string path_, identity_;
  int64_t left_out_ = 0, unknown_ = 0;
  std::vector<std::string> names_;
};

/// Images anywhere below `folder`; DataError if there is none.
std::unique_ptr<ImageSource> open_image_folder(const std::string& folder);

/// Images anywhere in the archive `path`, stored or deflated; DataError if it is damaged or holds none.
std::unique_ptr<ImageSource> open_image_archive(const std::string& path);

}  // namespace kaem
