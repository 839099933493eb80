#include "io/formats/safetensors_header.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "io/formats/extent.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem::io {
namespace {

using Json = nlohmann::json;
constexpr uint64_t kMaxHeader = 100'000'000;  // the limit of the reference implementation
constexpr int kMaxDepth = 3;                  // header, entry, its lists
constexpr char kMetadata[] = "__metadata__";

/// Shortened and on one line, so that a hostile name cannot fill the screen.
std::string shown(const std::string& text) {
  std::string line = text.size() <= 80 ? text : text.substr(0, 80) + "...";
  for (char& c : line)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  return line;
}

uint64_t read_length(std::string_view image, const std::string& name) {
  if (image.size() < 8)
    throw DataError(str(name, ": not a safetensors file: ", image.size(), " bytes, the length field alone has 8"));
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(image[static_cast<size_t>(i)]);
  if (length > kMaxHeader)
    throw DataError(str(name, ": not a safetensors file: its header would have ", length, " bytes"));
  if (length > image.size() - 8)
    throw DataError(
        str(name, ": truncated: the header has ", length, " bytes, the file ", image.size() - 8, " after the length"));
  return length;
}

/// JSON of `text`; duplicate keys, which a plain parse would drop silently, and depth are refused on the way.
Json parse_json(std::string_view text, const std::string& name) {
  std::vector<std::set<std::string>> keys;
  const auto check = [&](int depth, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start) {
      if (depth >= kMaxDepth) throw DataError(str(name, ": the safetensors header nests deeper than ", kMaxDepth));
      keys.emplace_back();
    } else if (event == Json::parse_event_t::object_end || event == Json::parse_event_t::array_end) {
      keys.pop_back();
    } else if (event == Json::parse_event_t::key) {
      const auto key = value.get<std::string>();
      if (!keys.back().insert(key).second)
        throw DataError(str(name, ": '", shown(key), "' stands twice in the safetensors header"));
    }
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), check);
  } catch (const Json::exception& error) {
    throw DataError(str(name, ": the safetensors header is not JSON: ", shown(error.what())));
  }
}

std::vector<int64_t> read_sizes(const Json& list, const std::string& where) {
  if (!list.is_array()) throw DataError(where + " is not a list");
  std::vector<int64_t> sizes;
  for (const auto& item : list) {
    if (!item.is_number_unsigned() || item.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
      throw DataError(where + " holds something that is no size");
    sizes.push_back(item.get<int64_t>());
  }
  return sizes;
}

const Json& member(const Json& entry, const char* key, const std::string& where) {
  const auto found = entry.find(key);
  if (found == entry.end()) throw DataError(str(where, " has no ", key));
  return *found;
}

SafetensorsEntry read_entry(const std::string& tensor, const Json& json, const std::string& name) {
  const std::string where = str(name, ": tensor '", shown(tensor), "'");
  if (!json.is_object()) throw DataError(where + " is not described by an object");
  SafetensorsEntry entry;
  entry.name = tensor;
  const Json& dtype = member(json, "dtype", where);
  if (!dtype.is_string()) throw DataError(where + ": its dtype is no string");
  entry.dtype = dtype.get<std::string>();
  const uint64_t item = safetensors_item_size(entry.dtype);
  if (item == 0) throw DataError(str(where, " has dtype '", shown(entry.dtype), "', which is not known"));
  entry.shape = read_sizes(member(json, "shape", where), where + ": its shape");
  const auto offsets = read_sizes(member(json, "data_offsets", where), where + ": its data_offsets");
  if (offsets.size() != 2 || offsets[0] > offsets[1]) throw DataError(where + ": its data_offsets are no range");
  entry.begin = static_cast<uint64_t>(offsets[0]);
  entry.end = static_cast<uint64_t>(offsets[1]);
  const auto bytes = array_bytes(entry.shape, item);
  if (!bytes) throw DataError(where + " has a shape that no memory can hold");
  if (*bytes != entry.end - entry.begin)
    throw DataError(
        str(where, ": its shape needs ", *bytes, " bytes, its data_offsets give ", entry.end - entry.begin));
  return entry;
}

void read_metadata(const Json& json, const std::string& name, std::map<std::string, std::string>& metadata) {
  if (!json.is_object()) throw DataError(name + ": __metadata__ is not an object");
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) throw DataError(str(name, ": metadata '", shown(key), "' is no string"));
    metadata[key] = value.get<std::string>();
  }
}

/// The format wants the data covered exactly: no holes that could hide something, no sharing.
void check_coverage(std::vector<SafetensorsEntry>& tensors, uint64_t size, const std::string& name) {
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const auto& a, const auto& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  uint64_t position = 0;
  for (const auto& entry : tensors) {
    if (entry.begin != position)
      throw DataError(str(name, ": tensor '", shown(entry.name), "' begins at byte ", entry.begin,
                          " of the data, expected ", position, entry.begin < position ? " (overlap)" : " (hole)"));
    position = entry.end;
  }
  if (position > size)
    throw DataError(str(name, ": truncated: the header describes ", position, " data bytes, found ", size));
  if (position < size) throw DataError(str(name, ": the header describes ", position, " data bytes, found ", size));
}

}  // namespace

uint64_t safetensors_item_size(std::string_view dtype) {
  for (const auto name : {"BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"})
    if (dtype == name) return 1;
  for (const auto name : {"U16", "I16", "F16", "BF16"})
    if (dtype == name) return 2;
  for (const auto name : {"U32", "I32", "F32"})
    if (dtype == name) return 4;
  for (const auto name : {"U64", "I64", "F64"})
    if (dtype == name) return 8;
  return 0;
}

SafetensorsHeader parse_safetensors_header(std::string_view image, const std::string& name) {
  const uint64_t length = read_length(image, name);
  const Json json = parse_json(image.substr(8, length), name);
  if (!json.is_object()) throw DataError(name + ": the safetensors header is not a JSON object");
  SafetensorsHeader header;
  header.data_offset = 8 + length;
  for (const auto& [key, value] : json.items()) {
    if (key == kMetadata) {
      read_metadata(value, name, header.metadata);
    } else {
      header.tensors.push_back(read_entry(key, value, name));
    }
  }
  check_coverage(header.tensors, image.size() - header.data_offset, name);
  return header;
}

std::string format_safetensors_header(const SafetensorsHeader& header) {
  Json json = Json::object();
  if (!header.metadata.empty()) json[kMetadata] = header.metadata;
  for (const auto& entry : header.tensors) {
    if (entry.name == kMetadata || json.contains(entry.name))
      throw Error(str("safetensors: two entries would be called '", shown(entry.name), "'"));
    json[entry.name] = {{"dtype", entry.dtype}, {"shape", entry.shape}, {"data_offsets", {entry.begin, entry.end}}};
  }
  std::string text;
  try {
    text = json.dump();
  } catch (const Json::exception& error) {
    throw Error(str("safetensors: a name or metadata is not UTF-8: ", shown(error.what())));
  }
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string image;
  for (int i = 0; i < 8; ++i) image += static_cast<char>(text.size() >> (8 * i) & 255);
  return image + text;
}

}  // namespace kaem::io
