#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Small files of the formats that data sets come in, byte for byte.
namespace kaem::test {

template <class T>
std::string little_endian(T value) {
  std::string bytes;
  for (size_t i = 0; i < sizeof(T); ++i) bytes += static_cast<char>(static_cast<uint64_t>(value) >> 8 * i & 255);
  return bytes;
}

inline std::string word32(uint64_t value) { return little_endian(static_cast<uint32_t>(value)); }

/// An element of a MATLAB 5 file; `small` chooses the form with the data in the tag.
inline std::string mat_element(uint32_t type, const std::string& content, bool small = false) {
  if (small) return word32(content.size() << 16 | type) + content + std::string(4 - content.size(), '\0');
  return word32(type) + word32(content.size()) + content + std::string((8 - content.size() % 8) % 8, '\0');
}

/// A matrix element: class 9 uint8, 6 double, 7 single; storage type 2 bytes, 7 floats, 9 doubles.
inline std::string mat_matrix(const std::string& name, const std::vector<int32_t>& shape, uint32_t kind,
                              uint32_t storage, const std::string& data, uint32_t flags = 0) {
  std::string sizes;
  for (const int32_t size : shape) sizes += word32(static_cast<uint32_t>(size));
  return mat_element(14, mat_element(6, word32(kind | flags) + word32(0)) + mat_element(5, sizes) +
                             mat_element(1, name, name.size() <= 4) +
                             mat_element(storage, data, !data.empty() && data.size() <= 4));
}

inline std::string zlib_pack(const std::string& bytes) {
  uLongf size = compressBound(bytes.size());
  std::string out(size, '\0');
  compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  out.resize(size);
  return out;
}

inline std::string mat_file(const std::vector<std::string>& matrices, bool packed = true) {
  std::string file = "MATLAB 5.0 MAT-file, made by a test";
  file.resize(124, ' ');
  file += std::string("\x00\x01IM", 4);
  for (const auto& matrix : matrices) {
    const std::string content = packed ? zlib_pack(matrix) : matrix;
    file += packed ? word32(15) + word32(content.size()) + content : content;
  }
  return file;
}

inline std::string tar_file(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string tar;
  const auto octal = [](uint64_t value, size_t digits) {
    std::string text(digits, '0');
    for (size_t i = digits; i-- > 0; value /= 8) text[i] = static_cast<char>('0' + value % 8);
    return text + '\0';
  };
  for (const auto& [name, content] : files) {
    std::string header(512, '\0');
    header.replace(0, name.size(), name);
    header.replace(124, 12, octal(content.size(), 11));
    header.replace(257, 5, "ustar");
    header[156] = '0';
    header.replace(148, 8, "        ");
    uint64_t sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    header.replace(148, 7, octal(sum, 6));
    tar += header + content + std::string((512 - content.size() % 512) % 512, '\0');
  }
  return tar + std::string(1024, '\0');
}

/// A zip archive of stored entries.
inline std::string zip_file(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string zip, directory;
  const auto half = [](uint64_t value) { return little_endian(static_cast<uint16_t>(value)); };
  for (const auto& [name, content] : files) {
    const auto sum = crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
    const std::string common = half(20) + half(0) + half(0) + half(0) + half(0x21) + word32(sum) +
                               word32(content.size()) + word32(content.size()) + half(name.size()) + half(0);
    directory += "PK\x01\x02" + half(20) + common + half(0) + half(0) + half(0) + word32(0) + word32(zip.size()) + name;
    zip += "PK\x03\x04" + common + name + content;
  }
  const std::string end = half(0) + half(0) + half(files.size()) + half(files.size()) + word32(directory.size()) +
                          word32(zip.size()) + half(0);
  return zip + directory + "PK\x05\x06" + end;
}

/// A record of CIFAR-10's binary version.
inline std::string cifar_record(int label, int first_pixel) {
  std::string record(1, static_cast<char>(label));
  for (int p = 0; p < 3072; ++p) record += static_cast<char>((first_pixel + p) % 256);
  return record;
}

/// The pickle that Python 2 wrote CIFAR-10's batches as: {'data': array, 'labels': [...], 'batch_label': '...'}.
inline std::string cifar_pickle(const std::vector<int>& labels, const std::string& pixels, char fortran = '\x89') {
  const auto text = [](const std::string& s) {
    return std::string("U").append(1, static_cast<char>(s.size())).append(s);
  };
  std::string p = "\x80\x02}q\x01(" + text("data") + "q\x02" + "cnumpy.core.multiarray\n_reconstruct\nq\x03" +
                  "cnumpy\nndarray\nq\x04K" + std::string(1, '\0') + "\x85" + text("b") + "\x87Rq\x05(K\x01" + "M" +
                  little_endian(static_cast<uint16_t>(labels.size())) + "M" + little_endian(uint16_t{3072}) + "\x86" +
                  "cnumpy\ndtype\nq\x06" + text("u1") + std::string("K\0K\x01\x87Rq\x07(K\x03", 11) + text("|") +
                  "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK" + std::string(1, '\0') + "tb" + fortran + "T" +
                  word32(pixels.size()) + pixels + "tb" + text("labels") + "]q\x08(";
  for (const int label : labels) p.append("K").append(1, static_cast<char>(label));
  return p + "e" + text("batch_label") + text("training batch 1 of 5") + "u.";
}

/// The same as Python 3 writes it in `protocol` 2 to 5: {b'data': array, b'labels': [...]}, keys as bytes or text.
inline std::string cifar_pickle3(int protocol, const std::vector<int>& labels, const std::string& pixels,
                                 bool byte_keys = false, const std::string& numpy = "numpy.core") {
  const auto number = [](size_t value) { return "J" + word32(value); };
  const auto text = [](const std::string& s) { return "X" + word32(s.size()) + s; };
  const auto bytes = [&](const std::string& s) {
    if (protocol > 2) return "B" + word32(s.size()) + s;
    std::string utf8;
    for (const char c : s) {
      const auto b = static_cast<unsigned char>(c);
      if (b < 0x80) utf8 += c;
      if (b >= 0x80) utf8.append(1, static_cast<char>(0xC0 | b >> 6)).append(1, static_cast<char>(0x80 | (b & 0x3F)));
    }
    return "c_codecs\nencode\n" + text(utf8) + text("latin1") + "\x86R";
  };
  const auto name = [&](const std::string& module, const std::string& what) {
    const auto brief = [](const std::string& s) {
      return "\x8c" + std::string(1, static_cast<char>(s.size())) + s + "\x94";
    };
    return protocol > 3 ? brief(module) + brief(what) + "\x93\x94" : "c" + module + "\n" + what + "\n";
  };
  const std::string type = name("numpy", "dtype") + text("u1") + "\x89\x88\x87R(K\x03" + text("|") +
                           "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff" + std::string("K\0tb", 4);
  const std::string shape = number(labels.size()) + number(3072) + "\x86";
  const std::string array = protocol == 5
                                ? name(numpy + ".numeric", "_frombuffer") + "(\x96" +
                                      little_endian(uint64_t{pixels.size()}) + pixels + type + shape + text("C") + "tR"
                                : name(numpy + ".multiarray", "_reconstruct") + name("numpy", "ndarray") +
                                      std::string("K\0\x85", 3) + bytes("b") + "\x87R(K\x01" + shape + type + "\x89" +
                                      bytes(pixels) + "tb";
  std::string content =
      "}(" + (byte_keys ? bytes("data") : text("data")) + array + (byte_keys ? bytes("labels") : text("labels")) + "](";
  for (const int label : labels) content.append("K").append(1, static_cast<char>(label));
  content += "eu.";
  const std::string frame = protocol > 3 ? "\x95" + little_endian(uint64_t{content.size()}) : "";
  return std::string("\x80") + static_cast<char>(protocol) + frame + content;
}

}  // namespace kaem::test
