#pragma once

#include <string>
#include <string_view>

/// Files: whole reads, atomic writes, digests. No torch here, so that it can be fuzzed quickly.
namespace kaem::io {

/// The whole file; DataError if it cannot be read.
std::string read_file(const std::string& path);

/// The whole file, gunzipped if it is gzip; DataError if it cannot be read or is a broken gzip stream (more than
/// `max_bytes` of output is refused too).
std::string read_maybe_gzip(const std::string& path, size_t max_bytes = size_t{1} << 32);

/// Writes a temporary file beside `path`, syncs it and renames it: either the whole new content is there or the old one.
/// Error names the path and the reason (disk full, read-only folder, ...).
void write_file_atomic(const std::string& path, std::string_view content);

/// Lower-case hexadecimal digests.
std::string sha256(std::string_view bytes);
std::string md5(std::string_view bytes);

}  // namespace kaem::io
