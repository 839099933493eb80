#pragma once

#include <string>
#include <string_view>

/// Files: whole reads, atomic writes, digests. No torch here, so that it can be fuzzed quickly.
namespace kaem::io {

/// The whole file; DataError if it cannot be read.
std::string read_file(const std::string& path);

/// The whole text of a JSON file; empty, which is no JSON, if it nests deeper than 64: to write, compare or destroy
/// such a value would overflow the stack. DataError as read_file.
std::string read_json(const std::string& path);

/// True if `bytes` begin as a gzip stream does.
bool is_gzip(std::string_view bytes);

/// The content of a gzip stream (its members joined); DataError names `name` if the stream is truncated, damaged,
/// followed by other bytes, or holds more than `max_bytes`.
std::string gunzip(std::string_view bytes, const std::string& name, size_t max_bytes = size_t{1} << 32);

/// The whole file, gunzipped if it is gzip; DataError as read_file and gunzip.
std::string read_maybe_gzip(const std::string& path, size_t max_bytes = size_t{1} << 32);

/// Writes a temporary file beside `path`, syncs it and renames it: either the whole new content is there or the old
/// one. A device or pipe is written to as it is. Error names the path and the reason (disk full, read-only folder,
/// ...).
void write_file_atomic(const std::string& path, std::string_view content);

/// True for the name of such a temporary file: where no program writes, one that was killed has left it.
bool is_temporary_name(std::string_view name);

/// Removes such files from a folder, which the caller has locked against other programs.
void sweep_temporaries(const std::string& folder);

/// A file written bit by bit, likewise: nothing is there before `commit`, and without it nothing is left.
class AtomicFile {
 public:
  /// Error if it cannot be made.
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::string_view part);
  void commit();

 private:
  void flush();

  std::string path_, temporary_, buffer_;  // temporary_ is empty: the file is a device or pipe
  int descriptor_ = -1;
};

/// Lower-case hexadecimal digests.
std::string sha256(std::string_view bytes);
std::string md5(std::string_view bytes);

/// RFC 4648, of at most 1.5 GB.
std::string base64(std::string_view bytes);

}  // namespace kaem::io
