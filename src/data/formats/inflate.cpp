#include "data/formats/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

struct Inflater {
  z_stream stream{};
  Inflater() {
    if (inflateInit(&stream) != Z_OK) throw Error("zlib cannot start: out of memory");
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

}  // namespace

std::string inflate_zlib(std::string_view bytes, size_t max_bytes, const std::string& name) {
  Inflater inflater;
  z_stream& z = inflater.stream;
  std::string out, buffer(std::min<size_t>(max_bytes, size_t{1} << 18), '\0');
  size_t position = 0;
  while (out.size() < max_bytes) {
    if (z.avail_in == 0 && position < bytes.size()) {
      const size_t count = std::min<size_t>(bytes.size() - position, std::numeric_limits<uInt>::max());
      // zlib does not write through next_in; its type is only older than const.
      z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data() + position));
      z.avail_in = static_cast<uInt>(count);
      position += count;
    }
    z.next_out = reinterpret_cast<Bytef*>(buffer.data());
    z.avail_out = static_cast<uInt>(std::min(buffer.size(), max_bytes - out.size()));
    const uInt room = z.avail_out;
    const int status = inflate(&z, Z_NO_FLUSH);
    out.append(buffer, 0, room - z.avail_out);
    if (status == Z_STREAM_END) break;
    if (status == Z_BUF_ERROR && z.avail_in == 0 && position == bytes.size())
      throw DataError(
          str(name, ": truncated zlib stream: ends after ", bytes.size(), " bytes (", out.size(), " unpacked)"));
    if (status != Z_OK && status != Z_BUF_ERROR)
      throw DataError(str(name, ": damaged zlib stream after ", out.size(),
                          " unpacked bytes: ", z.msg != nullptr ? z.msg : "unknown error"));
  }
  return out;
}

}  // namespace kaem
