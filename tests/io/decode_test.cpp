#include "kaem/io/decode.h"

#include <cstdio>  // jpeglib.h needs FILE

#include <gtest/gtest.h>
#include <jpeglib.h>
#include <zlib.h>

#include "kaem/core/error.h"
#include "support/files.h"

namespace kaem::io {
namespace {

using test::expect_message;
using test::message_of;

struct Form {
  J_COLOR_SPACE in = JCS_RGB, stored = JCS_YCbCr;
  bool adobe = false, progressive = false;
  std::string exif = {};
};

/// A JPEG whose 8x8 blocks have one colour each: blocks [rows][columns][components].
std::string jpeg(const std::vector<std::vector<std::vector<uint8_t>>>& blocks, const Form& form = {}) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* out = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &out, &size);
  info.image_height = static_cast<JDIMENSION>(8 * blocks.size());
  info.image_width = static_cast<JDIMENSION>(8 * blocks[0].size());
  info.input_components = static_cast<int>(blocks[0][0].size());
  info.in_color_space = form.in;
  jpeg_set_defaults(&info);
  jpeg_set_colorspace(&info, form.stored);
  jpeg_set_quality(&info, 98, TRUE);
  for (int c = 0; c < info.num_components; ++c) info.comp_info[c].h_samp_factor = info.comp_info[c].v_samp_factor = 1;
  info.write_Adobe_marker = form.adobe ? TRUE : FALSE;
  if (form.progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  if (!form.exif.empty())
    jpeg_write_marker(&info, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(form.exif.data()),
                      static_cast<unsigned>(form.exif.size()));
  for (JDIMENSION y = 0; y < info.image_height; ++y) {
    std::vector<uint8_t> line;
    for (JDIMENSION x = 0; x < info.image_width; ++x)
      for (const uint8_t value : blocks[y / 8][x / 8]) line.push_back(value);
    JSAMPROW row = line.data();
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  std::string file(reinterpret_cast<const char*>(out), size);
  jpeg_destroy_compress(&info);
  std::free(out);
  return file;
}

std::string grey_blocks(const std::string& exif = "", bool progressive = false) {
  return jpeg({{{10}, {60}, {110}}, {{160}, {210}, {250}}}, {JCS_GRAYSCALE, JCS_GRAYSCALE, false, progressive, exif});
}

/// Value in the middle of the block.
int at(const Pixels& p, int row, int column, int channel = 0) {
  return p.bytes[static_cast<size_t>(((8 * row + 4) * p.width + 8 * column + 4) * p.channels + channel)];
}

std::string exif(int orientation, bool big_endian) {
  const auto number = [&](unsigned value, size_t size) {
    std::string bytes;
    for (size_t i = 0; i < size; ++i) bytes += static_cast<char>(value >> 8 * (big_endian ? size - 1 - i : i) & 255);
    return bytes;
  };
  return std::string("Exif\0\0", 6) + (big_endian ? "MM" : "II") + number(42, 2) + number(8, 4) + number(2, 2) +
         number(0x010F, 2) + number(2, 2) + number(1, 4) + number(0, 4) +  // another entry before it
         number(0x0112, 2) + number(3, 2) + number(1, 4) + number(static_cast<unsigned>(orientation), 2) +
         number(0, 2) + number(0, 4);
}

TEST(DecodeJpeg, OrientationIsApplied) {
  // Rows of blocks as they are seen, for orientations 1 to 8.
  const std::vector<std::vector<std::vector<int>>> seen = {
      {{10, 60, 110}, {160, 210, 250}},   {{110, 60, 10}, {250, 210, 160}},   {{250, 210, 160}, {110, 60, 10}},
      {{160, 210, 250}, {10, 60, 110}},   {{10, 160}, {60, 210}, {110, 250}}, {{160, 10}, {210, 60}, {250, 110}},
      {{250, 110}, {210, 60}, {160, 10}}, {{110, 250}, {60, 210}, {10, 160}}};
  for (int orientation = 1; orientation <= 8; ++orientation)
    for (const bool big_endian : {false, true}) {
      const auto& rows = seen[static_cast<size_t>(orientation - 1)];
      const std::string file = grey_blocks(exif(orientation, big_endian));
      const Pixels picture = decode_image(file, 0, "f");
      ASSERT_EQ(picture.height, 8 * std::ssize(rows)) << orientation;
      ASSERT_EQ(picture.width, 8 * std::ssize(rows[0])) << orientation;
      EXPECT_EQ(image_size(file, "f").height, picture.height);
      EXPECT_EQ(image_size(file, "f").width, picture.width);
      for (int row = 0; row < std::ssize(rows); ++row)
        for (int column = 0; column < std::ssize(rows[0]); ++column)
          EXPECT_NEAR(at(picture, row, column), rows[static_cast<size_t>(row)][static_cast<size_t>(column)], 3)
              << orientation << " " << row << " " << column;
    }
  const std::string whole = exif(6, true);
  for (size_t size = 0; size < whole.size(); ++size) decode_image(grey_blocks(whole.substr(0, size)), 0, "f");
  EXPECT_EQ(decode_image(grey_blocks(exif(9, true)), 0, "f").height, 16);
}

TEST(DecodeJpeg, InksBecomeLight) {
  // Cyan 0.8 of full ink, and no black: of light 51, 255, 255.
  const std::vector<uint8_t> inks = {204, 0, 0, 0}, half_black = {0, 0, 0, 128};
  const auto inverted = [](std::vector<uint8_t> values) {
    for (auto& value : values) value = static_cast<uint8_t>(255 - value);
    return values;
  };
  for (const auto stored : {JCS_CMYK, JCS_YCCK})
    for (const bool adobe : {false, true}) {
      if (stored == JCS_YCCK && !adobe) continue;  // only Adobe's marker says so
      const std::string file = adobe
                                   ? jpeg({{inverted(inks), inverted(half_black)}}, {JCS_CMYK, stored, true, false, ""})
                                   : jpeg({{inks, half_black}}, {JCS_CMYK, stored, false, false, ""});
      const Pixels picture = decode_image(file, 0, "f");
      ASSERT_EQ(picture.channels, 3);
      EXPECT_EQ(image_size(file, "f").channels, 3);
      EXPECT_NEAR(at(picture, 0, 0, 0), 51, 4);
      EXPECT_NEAR(at(picture, 0, 0, 1), 255, 4);
      for (int c = 0; c < 3; ++c) EXPECT_NEAR(at(picture, 0, 1, c), 127, 4);
      const Pixels grey = decode_image(file, 1, "f");
      ASSERT_EQ(grey.bytes.size(), 8u * 16);
      EXPECT_NEAR(at(grey, 0, 0), 0.299 * 51 + 0.701 * 255, 4);
    }
}

TEST(DecodeJpeg, OnlyLostPixelsAreDamage) {
  const std::string file = grey_blocks();
  const Pixels whole = decode_image(file, 0, "f");
  std::string extraneous = file;
  extraneous.insert(2, "some bytes between two segments");
  EXPECT_EQ(decode_image(extraneous, 0, "f").bytes, whole.bytes);
  std::string before_end = file;
  before_end.insert(file.size() - 2, "xyz");
  EXPECT_EQ(decode_image(before_end, 0, "f").bytes, whole.bytes);
  EXPECT_EQ(decode_image(file + "trailing", 0, "f").bytes, whole.bytes);
  EXPECT_EQ(decode_image(file.substr(0, file.size() - 2), 0, "f").bytes, whole.bytes);  // no mark of the end
  for (size_t lost = 4; lost < 12; ++lost)
    expect_message(message_of<DataError>([&] { decode_image(file.substr(0, file.size() - lost), 0, "f"); }),
                   {"f: damaged JPEG"});
  const std::string scans = grey_blocks("", true);
  EXPECT_EQ(decode_image(scans, 0, "f").height, 16);
  for (size_t size = 2; size < scans.size() - 2; ++size)
    EXPECT_FALSE(message_of<DataError>([&] { decode_image(scans.substr(0, size), 0, "f"); }).empty()) << size;
}

TEST(DecodeOther, PnmOfAnyGreatestValue) {
  using Bytes = std::vector<uint8_t>;
  EXPECT_EQ(decode_image(std::string("P5 # camera\n3 1\n15\n\0\7\17", 23), 0, "f").bytes, (Bytes{0, 119, 255}));
  const std::string deep("P5 2 1 1023\n\3\377\1\0", 16);
  EXPECT_EQ(decode_image(deep, 0, "f").bytes, (Bytes{255, 64}));
  EXPECT_EQ(decode_image(deep, 3, "f").bytes, (Bytes{255, 255, 255, 64, 64, 64}));
  EXPECT_EQ(decode_image("P6 1 1 255\nabc", 1, "f").bytes.size(), 1u);
  expect_message(message_of<DataError>([] { decode_image("P5 4444444444444 1 255\nabc", 0, "f"); }),
                 {"f: damaged PNM picture: no number of its header at byte 3"});
  expect_message(message_of<DataError>([] { decode_image("P5 2 2 70000\nabc", 0, "f"); }), {"greatest value 70000"});
}

TEST(DecodePng, EveryDamagedBitOfThePixelsIsFound) {
  const auto number = [](uint32_t n) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(n >> shift & 255);
    return bytes;
  };
  const auto chunk = [&](const std::string& type, const std::string& body) {
    const std::string all = type + body;
    const auto sum = crc32(0, reinterpret_cast<const Bytef*>(all.data()), static_cast<uInt>(all.size()));
    return number(static_cast<uint32_t>(body.size())) + all + number(static_cast<uint32_t>(sum));
  };
  std::string rows;
  for (int y = 0; y < 4; ++y) rows += std::string(1, '\0') + "0aZ" + static_cast<char>(40 * y);
  std::string packed(compressBound(rows.size()), '\0');
  uLongf size = packed.size();
  ASSERT_EQ(compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(rows.data()),
                     rows.size()),
            Z_OK);
  packed.resize(size);
  const std::string file = std::string("\x89PNG\r\n\x1a\n", 8) +
                           chunk("IHDR", number(4) + number(4) + std::string("\10\0\0\0\0", 5)) +
                           chunk("tEXt", "Comment") + chunk("IDAT", packed) + chunk("IEND", "");
  const Pixels whole = decode_image(file, 0, "f.png");
  ASSERT_EQ(whole.bytes.size(), 16u);
  EXPECT_EQ(whole.bytes[13], 'a');
  int refused = 0;
  for (size_t bit = 0; bit < 8 * file.size(); ++bit) {
    std::string other = file;
    other[bit / 8] = static_cast<char>(other[bit / 8] ^ 1 << bit % 8);
    try {
      EXPECT_EQ(decode_image(other, 0, "f.png").bytes, whole.bytes) << "bit " << bit;
    } catch (const DataError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 8 * 50) << "all but those of the comment and the end";
}

TEST(DecodeOther, TruncationAndOtherKindsAreNamed) {
  const std::string pnm = "P5 4 4 255\n0123456789abcdef";
  std::string tga(18, '\0');
  tga[2] = 3, tga[12] = tga[14] = 4, tga[16] = 8;  // grey, 4x4, 8 bits
  tga.append("0123456789abcdef");
  for (const auto& file : {pnm, tga}) {
    EXPECT_EQ(decode_image(file, 0, "f").bytes.size(), 16u);
    EXPECT_EQ(image_size(file, "f").width, 4);
    for (size_t size = 0; size < file.size(); ++size)
      EXPECT_NE(message_of<DataError>([&] { decode_image(file.substr(0, size), 0, "f"); }).find("f: "),
                std::string::npos)
          << size;
  }
  const auto kind = [](const std::string& file) {
    return message_of<DataError>([&] { decode_image(file, 0, "a.jpg"); });
  };
  expect_message(kind("RIFF\x10\1\1\1WEBPVP8 "), {"a.jpg: not a picture that is read here: it is WebP"});
  expect_message(kind("P2\n2 2\n255\n1 2 3 4\n"), {"a.jpg", "it is PNM in ASCII"});
  expect_message(kind("<!DOCTYPE html>"), {"it is text (HTML"});
  expect_message(kind(""), {"the file is empty"});
}

}  // namespace
}  // namespace kaem::io
