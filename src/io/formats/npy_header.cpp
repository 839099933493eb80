#include "io/formats/npy_header.h"

#include "io/formats/extent.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem::io {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr size_t kMaxDimensions = 64;  // as in NumPy

/// Reads the header's text, a Python dictionary literal such as {'descr': '<f4', 'fortran_order': False, 'shape': (3,
/// 4), }.
class Reader {
 public:
  Reader(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  void read(NpyHeader& header) {
    expect('{');
    bool descr = false, order = false, shape = false;
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr" && !descr) {
        descr = true, read_descr(header);
      } else if (key == "fortran_order" && !order) {
        order = true, header.fortran_order = truth();
      } else if (key == "shape" && !shape) {
        shape = true, header.shape = tuple();
      } else {
        fail("key '", key.substr(0, 40), "' is not known or stands twice");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip();
    if (position_ != text_.size()) fail("something follows the dictionary");
    if (!descr || !order || !shape) fail("descr, fortran_order or shape is missing");
  }

 private:
  template <class... Args>
  [[noreturn]] void fail(const Args&... what) const {
    throw DataError(str(name_, ": malformed .npy header: ", what...));
  }

  void skip() {
    while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n')) ++position_;
  }

  bool accept(char c) {
    skip();
    if (position_ >= text_.size() || text_[position_] != c) return false;
    ++position_;
    return true;
  }

  void expect(char c) {
    if (!accept(c)) fail("expected '", c, "' at character ", position_);
  }

  std::string quoted() {
    skip();
    const char quote = position_ < text_.size() ? text_[position_] : '\0';
    if (quote != '\'' && quote != '"') fail("expected a quoted word at character ", position_);
    const size_t end = text_.find(quote, position_ + 1);
    if (end == std::string_view::npos) fail("a quoted word does not end");
    const std::string word(text_.substr(position_ + 1, end - position_ - 1));
    position_ = end + 1;
    return word;
  }

  bool truth() {
    skip();
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(position_, word.size()) != word) continue;
      position_ += word.size();
      return value;
    }
    fail("fortran_order is neither True nor False");
  }

  std::vector<int64_t> tuple() {
    std::vector<int64_t> sizes;
    expect('(');
    while (!accept(')')) {
      if (sizes.size() == kMaxDimensions) fail("more than ", kMaxDimensions, " dimensions");
      sizes.push_back(number());
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return sizes;
  }

  int64_t number() {
    skip();
    const size_t begin = position_;
    int64_t value = 0;
    for (; position_ < text_.size() && text_[position_] >= '0' && text_[position_] <= '9'; ++position_) {
      if (value > (INT64_MAX - 9) / 10) fail("a size of the shape is too large");
      value = 10 * value + (text_[position_] - '0');
    }
    if (position_ == begin) fail("expected a size at character ", begin);
    return value;
  }

  void read_descr(NpyHeader& header) {
    skip();
    if (position_ < text_.size() && text_[position_] == '[')
      throw DataError(str(name_, ": records (structured arrays) are not read; numbers only"));
    const std::string descr = quoted();
    const auto refuse = [&] {
      throw DataError(str(name_, ": .npy type '", descr.substr(0, 40),
                          "' is not read; b1, i, u (1 to 8 bytes) and f (2 to 8) are"));
    };
    if (descr.size() != 3 || descr[2] < '1' || descr[2] > '8') refuse();
    header.big_endian = descr[0] == '>';
    if (std::string_view("<>|=").find(descr[0]) == std::string_view::npos) refuse();
    header.kind = descr[1];
    header.item_size = static_cast<uint64_t>(descr[2] - '0');
    const uint64_t size = header.item_size;
    const bool power = size == 1 || size == 2 || size == 4 || size == 8;
    const bool known = header.kind == 'b'   ? size == 1
                       : header.kind == 'f' ? size > 1
                                            : header.kind == 'i' || header.kind == 'u';
    if (!power || !known) refuse();
  }

  std::string_view text_;
  const std::string& name_;
  size_t position_ = 0;
};

uint64_t little_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

NpyHeader parse_npy_header(std::string_view image, const std::string& name) {
  if (image.substr(0, 6) != kMagic) throw DataError(name + ": not a .npy file: it does not begin with \\x93NUMPY");
  if (image.size() < 10) throw DataError(str(name, ": truncated .npy file: ", image.size(), " bytes"));
  const int major = static_cast<unsigned char>(image[6]), minor = static_cast<unsigned char>(image[7]);
  if (major < 1 || major > 3 || minor != 0)
    throw DataError(str(name, ": .npy version ", major, ".", minor, " is not known"));
  const size_t field = major == 1 ? 2 : 4;
  if (image.size() < 8 + field) throw DataError(str(name, ": truncated .npy file: ", image.size(), " bytes"));
  const uint64_t length = little_endian(image.substr(8, field));
  NpyHeader header;
  header.data_offset = 8 + field + length;
  if (header.data_offset > image.size())
    throw DataError(str(name, ": truncated .npy file: its header alone has ", header.data_offset, " bytes, the file ",
                        image.size()));
  Reader(image.substr(8 + field, length), name).read(header);
  const auto bytes = array_bytes(header.shape, header.item_size);
  const uint64_t found = image.size() - header.data_offset;
  if (!bytes || *bytes != found)
    throw DataError(str(name, ": ", !bytes || found < *bytes ? "truncated .npy file: " : "", "the header describes ",
                        bytes ? str(*bytes) : "more than 2^62", " data bytes, found ", found));
  return header;
}

std::string format_npy_header(char kind, uint64_t item_size, const std::vector<int64_t>& shape) {
  std::string sizes;
  for (const int64_t size : shape) sizes += str(sizes.empty() ? "" : " ", size, ",");
  if (shape.size() > 1) sizes.pop_back();
  std::string text = str("{'descr': '", item_size == 1 ? '|' : '<', kind, item_size,
                         "', 'fortran_order': False, 'shape': (", sizes, "), }");
  text.append(63 - (10 + text.size()) % 64, ' ');
  text += '\n';
  std::string image(kMagic);
  image += {'\x01', '\x00', static_cast<char>(text.size() & 255), static_cast<char>(text.size() >> 8)};
  return image + text;
}

}  // namespace kaem::io
