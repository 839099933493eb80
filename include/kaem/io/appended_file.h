#pragma once

#include <string>
#include <string_view>

namespace kaem::io {

/// A file that a run only appends to, and that a resumed run cuts back to what a checkpoint describes.
class AppendedFile {
 public:
  explicit AppendedFile(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  bool exists() const;  ///< as a regular file

  /// Appends in one write call, so that the text is whole unless the machine or the disk fails inside it. Error if it
  /// cannot be written.
  void append(std::string_view text) const;

  /// Makes sure that what was written is on the disk: a checkpoint must not outlive it.
  void sync() const;

  /// What the file holds now: "N bytes, SHA-256"; empty if there is none.
  std::string description() const;

  /// True if the file still begins with what was described (an empty description: always).
  bool begins_with(const std::string& description) const;

  /// Cuts the file back to what was described; it must begin with that.
  void cut(const std::string& description) const;

 private:
  std::string path_;
};

}  // namespace kaem::io
