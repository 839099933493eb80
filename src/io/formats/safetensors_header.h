#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// The header of a safetensors image, without torch. docs/file-formats.md.
namespace kaem::io {

/// One tensor: where its bytes stand, counted from SafetensorsHeader::data_offset.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;  ///< as written: F32, I64, ...
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> tensors;  ///< in the order of their bytes
  std::map<std::string, std::string> metadata;
  uint64_t data_offset = 0;  ///< of the first data byte in the image
};

/// Bytes of an element of a dtype, 0 if there is no such dtype.
uint64_t safetensors_item_size(std::string_view dtype);

/// Reads and checks the header of `image`, the whole file: each entry's size is that of its shape, and the entries
/// cover the data without holes or overlaps. DataError names `name` and what was found.
SafetensorsHeader parse_safetensors_header(std::string_view image, const std::string& name);

/// The length field and the JSON header, padded with spaces to 8 bytes. Error if a name or the metadata is not UTF-8.
std::string format_safetensors_header(const SafetensorsHeader& header);

}  // namespace kaem::io
