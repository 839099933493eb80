#include "kaem/io/safetensors.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "kaem/core/error.h"
#include "kaem/core/rng.h"
#include "support/files.h"

namespace kaem {
namespace {

using test::expect_message;
using test::message_of;

/// A safetensors image with a header of any text.
std::string image_of(const std::string& header, const std::string& data = "") {
  std::string image;
  for (int i = 0; i < 8; ++i) image += static_cast<char>(header.size() >> (8 * i) & 255);
  return image + header + data;
}

std::string refusal(const std::string& image) {
  return message_of<DataError>([&] { io::parse_safetensors(image, "F"); });
}

constexpr at::ScalarType kTypes[] = {at::kBool,        at::kByte,   at::kChar,     at::kShort,  at::kInt,
                                     at::kLong,        at::kUInt16, at::kUInt32,   at::kUInt64, at::kFloat8_e4m3fn,
                                     at::kFloat8_e5m2, at::kHalf,   at::kBFloat16, at::kFloat,  at::kDouble};

class SafetensorsTypes : public testing::TestWithParam<at::ScalarType> {};

TEST_P(SafetensorsTypes, EveryTypeAndShapeRoundTrips) {
  const Rng rng(5);
  io::NamedTensors tensors;
  int64_t step = 0;
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{}, {1}, {0}, {3, 0, 2}, {2, 3, 4}, {7}}) {
    const at::Tensor values = rng.uniform(Stream::kTest, ++step, shape).mul(100).round();
    tensors.emplace_back("tensor" + std::to_string(step), values.to(GetParam()));
  }
  const auto content = io::parse_safetensors(io::to_safetensors(tensors, {{"format", "1"}, {"ключ", "\"x\"\n"}}), "F");
  EXPECT_EQ(content.metadata, (io::Metadata{{"format", "1"}, {"ключ", "\"x\"\n"}}));
  ASSERT_EQ(content.tensors.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor& back = content.tensors.at(name);
    EXPECT_EQ(back.scalar_type(), GetParam());
    EXPECT_EQ(back.sizes(), tensor.sizes());
    EXPECT_TRUE(at::equal(back.to(at::kDouble), tensor.to(at::kDouble))) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, SafetensorsTypes, testing::ValuesIn(kTypes),
                         [](const auto& info) { return std::string(c10::toString(info.param)); });

TEST(Safetensors, MixedTypesViewsAndSpecialValues) {
  const at::Tensor x = at::arange(12, at::kFloat).view({3, 4});
  const at::Tensor odd = at::tensor({1, 2, 3}, at::kByte);
  const at::Tensor wide = at::tensor({std::nan(""), -0.0, std::numeric_limits<double>::infinity()}, at::kDouble);
  const std::string image = io::to_safetensors({{"odd", odd}, {"t", x.t()}, {"wide", wide}}, {});
  EXPECT_EQ((image.size() - 3 - 48 - 24) % 8, 0u);  // length field and header; the widest tensors then stand aligned
  const auto content = io::parse_safetensors(image, "F");
  EXPECT_TRUE(at::equal(content.tensors.at("t"), x.t()));
  EXPECT_TRUE(at::equal(content.tensors.at("odd"), odd));
  EXPECT_TRUE(at::equal(content.tensors.at("wide").view(at::kLong), wide.view(at::kLong)));  // the same bits
}

TEST(Safetensors, WritesTheFormatByteForByte) {
  const std::string header = R"({"a":{"data_offsets":[0,8],"dtype":"F32","shape":[2]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  const std::string data = test::unhex("0000803f000000c0");
  EXPECT_EQ(io::to_safetensors({{"a", at::tensor({1.0f, -2.0f})}}, {}), image_of(padded, data));
}

TEST(Safetensors, NothingAtAllIsAnImageToo) {
  const auto content = io::parse_safetensors(io::to_safetensors({}, {}), "F");
  EXPECT_TRUE(content.tensors.empty());
  EXPECT_TRUE(content.metadata.empty());
}

TEST(Safetensors, WhatCannotBeWrittenIsRefused) {
  const at::Tensor x = at::zeros({1});
  expect_message(message_of<Error>([&] { io::to_safetensors({{"a", x}, {"a", x}}, {}); }), {"two entries", "'a'"});
  expect_message(message_of<Error>([&] { io::to_safetensors({{"__metadata__", x}}, {}); }), {"__metadata__"});
  expect_message(message_of<Error>([&] { io::to_safetensors({{"a", at::Tensor()}}, {}); }), {"'a' is undefined"});
  expect_message(message_of<Error>([&] {
                   io::to_safetensors({{"a", at::zeros({1}, at::kComplexFloat)}}, {});
                 }),
                 {"'a'"});
  expect_message(message_of<Error>([&] { io::to_safetensors({{"\xff", x}}, {}); }), {"not UTF-8"});
}

TEST(Safetensors, EveryTruncationAndTrailingByteIsRefused) {
  const std::string image = io::to_safetensors({{"a", at::ones({3})}, {"b", at::ones({2}, at::kLong)}}, {{"k", "v"}});
  for (size_t size = 0; size < image.size(); ++size) expect_message(refusal(image.substr(0, size)), {"F: "});
  expect_message(refusal(image + "x"), {"F: the header describes 28 data bytes, found 29"});
}

struct Lie {
  const char* name;
  std::string header, data;
  std::vector<std::string> parts;
};

class SafetensorsLies : public testing::TestWithParam<Lie> {};

TEST_P(SafetensorsLies, IsRefusedByName) {
  auto parts = GetParam().parts;
  parts.push_back("F: ");
  expect_message(refusal(image_of(GetParam().header, GetParam().data)), parts);
}

std::vector<Lie> lies() {
  const std::string four(4, '\0');
  const auto entry = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
  };
  const auto one = [&](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return R"({"a":)" + entry(dtype, shape, offsets) + "}";
  };
  std::string deep = "{\"a\":";
  for (int i = 0; i < 100000; ++i) deep += '[';
  return {
      {"no_json", "{\"a\"", "", {"not JSON"}},
      {"empty_header", "", "", {"not JSON"}},
      {"no_object", "[1,2]", "", {"not a JSON object"}},
      {"deep", deep, "", {"nests deeper"}},
      {"invalid_utf8", "{\"\xff\":1}", "", {"not JSON"}},
      {"duplicate_name",
       R"({"a":)" + entry("U8", "[4]", "[0,4]") + R"(,"a":)" + entry("U8", "[4]", "[0,4]") + "}",
       four,
       {"'a' stands twice"}},
      {"duplicate_key",
       R"({"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
       four,
       {"'dtype' stands twice"}},
      {"no_entry", R"({"a":3})", "", {"'a'", "not described by an object"}},
      {"no_dtype", R"({"a":{"shape":[4],"data_offsets":[0,4]}})", four, {"has no dtype"}},
      {"no_shape", R"({"a":{"dtype":"U8","data_offsets":[0,4]}})", four, {"has no shape"}},
      {"no_offsets", R"({"a":{"dtype":"U8","shape":[4]}})", four, {"has no data_offsets"}},
      {"unknown_dtype", one("F33", "[1]", "[0,4]"), four, {"dtype 'F33'"}},
      {"dtype_number", R"({"a":{"dtype":1,"shape":[4],"data_offsets":[0,4]}})", four, {"dtype is no string"}},
      {"negative_size", one("U8", "[-4]", "[0,4]"), four, {"shape holds something"}},
      {"fractional_size", one("U8", "[4.0]", "[0,4]"), four, {"shape holds something"}},
      {"shape_string", one("U8", "\"4\"", "[0,4]"), four, {"shape is not a list"}},
      {"overflow", one("F32", "[4611686018427387904,4]", "[0,0]"), "", {"no memory can hold"}},
      {"overflow_to_four", one("U8", "[4294967297,4294967292]", "[0,4]"), four, {"no memory can hold"}},
      {"overflow_behind_zero", one("U8", "[0,4611686018427387904,4]", "[0,0]"), "", {"no memory can hold"}},
      {"size_beyond_64_bits", one("U8", "[99999999999999999999]", "[0,4]"), four, {"shape holds something"}},
      {"wrong_size", one("F32", "[2]", "[0,4]"), four, {"needs 8 bytes", "give 4"}},
      {"backward_range", one("U8", "[4]", "[4,0]"), four, {"no range"}},
      {"three_offsets", one("U8", "[4]", "[0,2,4]"), four, {"no range"}},
      {"out_of_range", one("U8", "[8]", "[0,8]"), four, {"truncated", "8 data bytes, found 4"}},
      {"hole", one("U8", "[2]", "[2,4]"), four, {"begins at byte 2", "hole"}},
      {"overlap",
       R"({"a":)" + entry("U8", "[3]", "[0,3]") + R"(,"b":)" + entry("U8", "[2]", "[2,4]") + "}",
       four,
       {"'b'", "overlap"}},
      {"shared",
       R"({"a":)" + entry("U8", "[4]", "[0,4]") + R"(,"b":)" + entry("U8", "[4]", "[0,4]") + "}",
       four,
       {"overlap"}},
      {"trailing", one("U8", "[3]", "[0,3]"), four, {"3 data bytes, found 4"}},
      {"metadata_list", R"({"__metadata__":[]})", "", {"__metadata__"}},
      {"metadata_number", R"({"__metadata__":{"k":1}})", "", {"metadata 'k' is no string"}},
      {"bool_of_two", one("BOOL", "[4]", "[0,4]"), test::unhex("00010200"), {"'a' is BOOL"}},
      {"line_feed_in_name", R"({"a\nb":3})", "", {"'a?b'"}},
  };
}

INSTANTIATE_TEST_SUITE_P(All, SafetensorsLies, testing::ValuesIn(lies()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Safetensors, HeaderLengthsThatLieAreRefused) {
  std::string image = image_of("{}");
  image[7] = '\x7f';
  expect_message(refusal(image), {"header would have"});
  image = image_of("{}");
  image[0] = 3;
  expect_message(refusal(image), {"truncated", "header has 3 bytes", "2 after"});
}

}  // namespace
}  // namespace kaem
