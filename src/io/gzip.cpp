#include <zlib.h>

#include <algorithm>
#include <limits>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"

namespace kaem::io {
namespace {

/// A zlib stream that reads gzip members; freed on every way out.
struct Inflater {
  z_stream stream{};
  Inflater() {
    if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) throw Error("zlib cannot start: out of memory");
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

}  // namespace

bool is_gzip(std::string_view bytes) { return bytes.size() >= 2 && bytes[0] == '\x1f' && bytes[1] == '\x8b'; }

std::string gunzip(std::string_view bytes, const std::string& name, size_t max_bytes) {
  const auto fail = [&](const auto&... what) { throw DataError(str(name, ": ", what...)); };
  if (!is_gzip(bytes)) fail("not a gzip stream");
  Inflater inflater;
  z_stream& z = inflater.stream;
  std::string out, buffer(size_t{1} << 18, '\0');
  size_t position = 0;  // of the first byte that zlib has not been given
  bool member_done = false;
  while (true) {
    if (z.avail_in == 0 && position < bytes.size()) {
      const size_t count = std::min<size_t>(bytes.size() - position, std::numeric_limits<uInt>::max());
      // zlib does not write through next_in; its type is only older than const.
      z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data() + position));
      z.avail_in = static_cast<uInt>(count);
      position += count;
    }
    const size_t consumed = position - z.avail_in;
    if (member_done) {
      if (consumed == bytes.size()) return out;
      if (!is_gzip(bytes.substr(consumed))) fail(bytes.size() - consumed, " bytes follow the end of the gzip stream");
      inflateReset(&z);
      member_done = false;
    }
    z.next_out = reinterpret_cast<Bytef*>(buffer.data());
    z.avail_out = static_cast<uInt>(buffer.size());
    const int status = inflate(&z, Z_NO_FLUSH);
    const size_t produced = buffer.size() - z.avail_out;
    if (produced > max_bytes - out.size()) fail("the gzip stream holds more than ", max_bytes, " bytes");
    out.append(buffer, 0, produced);
    member_done = status == Z_STREAM_END;
    if (status == Z_BUF_ERROR && z.avail_in == 0 && position == bytes.size())
      fail("truncated gzip stream: ends after ", bytes.size(), " bytes (", out.size(), " unpacked)");
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
      fail("damaged gzip stream after ", out.size(), " unpacked bytes: ", z.msg != nullptr ? z.msg : "unknown error");
  }
}

}  // namespace kaem::io
