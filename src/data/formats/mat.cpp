#include "data/formats/mat.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>

#include "data/formats/inflate.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

constexpr size_t kHeader = 128, kTag = 8;
constexpr size_t kHeadBytes = 2048;  // of a matrix: flags, at most 64 sizes and a name
constexpr uint32_t kMatrix = 14, kCompressed = 15, kInt8 = 1, kInt32 = 5, kUInt32 = 6;
constexpr uint32_t kFirstNumericClass = 6, kLastNumericClass = 15, kComplexFlag = 0x0800;
constexpr size_t kMaxAxes = 64;

struct Storage {
  uint32_t type;
  char kind;
  uint64_t item_size;
};
constexpr auto kStorages = std::to_array<Storage>({{1, 'i', 1},
                                                   {2, 'u', 1},
                                                   {3, 'i', 2},
                                                   {4, 'u', 2},
                                                   {5, 'i', 4},
                                                   {6, 'u', 4},
                                                   {7, 'f', 4},
                                                   {9, 'f', 8},
                                                   {12, 'i', 8},
                                                   {13, 'u', 8}});

uint32_t word(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

/// A data element: its type, its content, and where the next one begins.
struct Element {
  uint32_t type = 0;
  uint64_t size = 0;  ///< as stated; `content` holds no more than there is
  std::string_view content;
  uint64_t next = 0;
};

/// The element at `at`; DataError unless all of it is there (`whole`) or its tag at least.
Element read_element(std::string_view bytes, uint64_t at, bool whole, const std::string& name) {
  const auto truncated = [&](uint64_t size) {
    return DataError(
        str(name, ": truncated MATLAB file: an element of ", size, " bytes begins at byte ", at, " of ", bytes.size()));
  };
  if (at > bytes.size() || bytes.size() - at < kTag) throw truncated(kTag);
  Element element;
  const uint32_t first = word(bytes, at);
  if (first >> 16 != 0) {  // the small form: size and type in a word, the data in the other
    element.type = first & 0xffff, element.size = first >> 16;
    if (element.size > 4) throw DataError(str(name, ": a small element of ", element.size, " bytes, at most 4 fit"));
    element.content = bytes.substr(at + 4, element.size), element.next = at + kTag;
    return element;
  }
  element.type = first, element.size = word(bytes, at + 4);
  const uint64_t rest = bytes.size() - at - kTag;
  if (whole && element.size > rest) throw truncated(element.size);
  element.content = bytes.substr(at + kTag, element.size);
  // Only compressed elements are not padded.
  const uint64_t padding = element.type == kCompressed ? 0 : (8 - element.size % 8) % 8;
  element.next = at + kTag + element.size + padding;
  return element;
}

struct Head {
  MatArray array;  ///< name and shape
  uint32_t kind = 0, flags = 0;
  uint64_t data = 0;  ///< where the data's element begins
};

/// Flags, sizes and name at the start of a matrix' content, which may be cut after them.
Head read_head(std::string_view content, const std::string& name) {
  Head head;
  const Element flags = read_element(content, 0, true, name);
  if (flags.type != kUInt32 || flags.content.size() != 8) throw DataError(name + ": a matrix without array flags");
  head.kind = word(flags.content, 0) & 0xff, head.flags = word(flags.content, 0);
  const Element sizes = read_element(content, flags.next, true, name);
  const size_t axes = sizes.content.size() / 4;
  if (sizes.type != kInt32 || sizes.content.size() % 4 != 0 || axes < 2 || axes > kMaxAxes)
    throw DataError(name + ": a matrix without sizes");
  for (size_t i = 0; i < axes; ++i) head.array.shape.push_back(std::bit_cast<int32_t>(word(sizes.content, 4 * i)));
  const Element label = read_element(content, sizes.next, true, name);
  if (label.type != kInt8) throw DataError(name + ": a matrix without a name");
  head.array.name = label.content;
  head.data = label.next;
  return head;
}

/// The content of the matrix element of a compressed element, at most `max_bytes` of it.
std::string unpack(std::string_view packed, size_t max_bytes, const std::string& name) {
  std::string bytes = inflate_zlib(packed, max_bytes, name);
  const Element inner = read_element(bytes, 0, false, name);
  if (inner.type != kMatrix) return "";
  return std::string(inner.content);
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t size : shape) text += str(text.empty() ? "" : "x", size);
  return text;
}

uint64_t count_of(const Head& head, const std::string& name) {
  uint64_t count = 1;
  for (const int64_t size : head.array.shape) {
    if (size < 1 || static_cast<uint64_t>(size) > (uint64_t{1} << 40) / count)
      throw DataError(
          str(name, ": array ", head.array.name, " has the impossible shape ", shape_text(head.array.shape)));
    count *= static_cast<uint64_t>(size);
  }
  return count;
}

MatArray read_array(std::string_view content, const std::string& name) {
  Head head = read_head(content, name);
  const auto fail = [&](const auto&... what) { throw DataError(str(name, ": array ", head.array.name, " ", what...)); };
  if (head.kind < kFirstNumericClass || head.kind > kLastNumericClass)
    fail("is not numeric (MATLAB class ", head.kind, ")");
  if ((head.flags & kComplexFlag) != 0) fail("is complex");
  const uint64_t count = count_of(head, name);
  const Element data = read_element(content, head.data, true, name);
  const auto* storage =
      std::find_if(kStorages.begin(), kStorages.end(), [&](const Storage& s) { return s.type == data.type; });
  if (storage == kStorages.end()) fail("is stored as type ", data.type, ", which is not known");
  if (data.size != count * storage->item_size)
    fail("of shape ", shape_text(head.array.shape), " has ", data.size, " bytes of data, expected ",
         count * storage->item_size);
  head.array.kind = storage->kind, head.array.item_size = storage->item_size;
  head.array.bytes = data.content;
  return std::move(head.array);
}

void check_header(std::string_view image, const std::string& name) {
  if (image.size() < kHeader)
    throw DataError(str(name, ": truncated MATLAB file: ", image.size(), " bytes, its header has ", kHeader));
  const std::string_view order = image.substr(126, 2);
  if (order == "MI") throw DataError(name + ": a MATLAB file in big-endian byte order, which is not read here");
  if (order != "IM") throw DataError(name + ": not a MATLAB 5 file: it has no byte order mark at byte 126");
  const int version = static_cast<unsigned char>(image[125]);
  if (version != 1)
    throw DataError(str(name, ": a MATLAB file of version ", version, ".0, expected 1.0 (7.3 files are HDF5)"));
}

/// Calls use(content of the head, element) for each matrix of the file until it returns true.
template <class Use>
void for_each_matrix(std::string_view image, const std::string& name, Use&& use) {
  check_header(image, name);
  for (uint64_t at = kHeader; at < image.size();) {
    const Element element = read_element(image, at, true, name);
    at = element.next;
    if (element.type == kCompressed) {
      const std::string head = unpack(element.content, kHeadBytes, name);
      if (!head.empty() && use(head, element)) return;
    } else if (element.type == kMatrix && use(element.content.substr(0, kHeadBytes), element)) {
      return;
    }
  }
}

}  // namespace

bool is_mat5(std::string_view image) {
  return image.size() >= kHeader && (image.substr(126, 2) == "IM" || image.substr(126, 2) == "MI");
}

std::vector<MatArray> parse_mat(std::string_view image, const std::vector<std::string>& wanted,
                                const std::string& name) {
  std::vector<std::optional<MatArray>> found(wanted.size());
  size_t left = wanted.size();
  for_each_matrix(image, name, [&](std::string_view start, const Element& element) {
    const Head head = read_head(start, name);
    const auto place = std::find(wanted.begin(), wanted.end(), head.array.name) - wanted.begin();
    if (place == std::ssize(wanted) || found[place]) return false;
    if (element.type == kCompressed) {
      // What the shape and the widest elements can need, so that a small file cannot ask for much more.
      const size_t most = count_of(head, name) * sizeof(double) + kHeadBytes;
      found[place] = read_array(unpack(element.content, most, name), name);
    } else {
      found[place] = read_array(element.content, name);
    }
    return --left == 0;
  });
  std::vector<MatArray> arrays;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (!found[i]) throw DataError(str(name, ": holds no array ", wanted[i]));
    arrays.push_back(std::move(*found[i]));
  }
  return arrays;
}

std::vector<std::string> mat_names(std::string_view image, const std::string& name) {
  std::vector<std::string> names;
  for_each_matrix(image, name, [&](std::string_view start, const Element&) {
    names.push_back(read_head(start, name).array.name);
    return false;
  });
  return names;
}

}  // namespace kaem
