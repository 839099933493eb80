#include "data/formats/idx.h"

#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

uint32_t big_endian(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

IdxHeader parse_idx_header(std::string_view image, size_t dimensions, const std::string& name) {
  const uint32_t expected = 0x800u + static_cast<uint32_t>(dimensions);  // type 8: unsigned bytes
  IdxHeader header;
  header.data_offset = 4 + 4 * dimensions;
  if (image.size() < 4)
    throw DataError(str(name, ": truncated IDX file: ", image.size(), " bytes, its header has ", header.data_offset));
  const uint32_t magic = big_endian(image, 0);
  if (magic != expected)
    throw DataError(str(name, ": not an IDX file of bytes with ", dimensions, " axes: it begins with magic number ",
                        magic, ", expected ", expected));
  if (image.size() < header.data_offset)
    throw DataError(str(name, ": truncated IDX file: ", image.size(), " bytes, its header has ", header.data_offset));
  const uint64_t found = image.size() - header.data_offset;
  std::string sizes;
  uint64_t bytes = 1;
  for (size_t i = 0; i < dimensions; ++i) {
    const uint32_t size = big_endian(image, 4 + 4 * i);
    header.shape.push_back(size);
    sizes += str(i == 0 ? "" : "x", size);
    if (size == 0) throw DataError(str(name, ": empty IDX file: size ", i + 1, " of its header is 0"));
    if (size > (uint64_t{1} << 62) / bytes)
      throw DataError(str(name, ": its header says ", sizes, ", more than any file holds"));
    bytes *= size;
  }
  if (bytes != found)
    throw DataError(str(name, ": ", found < bytes ? "truncated IDX file: " : "trailing bytes: ", "its header says ",
                        sizes, ", that is ", bytes, " bytes of data; found ", found));
  return header;
}

}  // namespace kaem
