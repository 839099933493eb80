#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "kaem/core/error.h"
#include "kaem/core/rng.h"
#include "kaem/io/npy.h"
#include "support/files.h"

namespace kaem {
namespace {

using test::expect_message;
using test::message_of;
using test::TemporaryFolder;

at::Tensor read_bytes(const std::string& bytes) {
  const TemporaryFolder folder;
  test::put(folder / "x.npy", bytes);
  return io::read_npy(folder / "x.npy");
}

/// A version 1.0 file with any header text.
std::string file_of(const std::string& header, const std::string& data = "") {
  const std::string length{static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  return std::string("\x93NUMPY\x01\x00", 8) + length + header + data;
}

// numpy.save of numpy 2.4.
constexpr char kFloat32[] =
    "934e554d5059010076007b276465736372273a20273c6634272c2027666f727472616e5f6f72646572273a2046616c73652c202773686170"
    "65273a2028322c2033292c207d20202020202020202020202020202020202020202020202020202020202020202020202020202020202020"
    "2020202020202020202020202020200a000000000000803f0000004000004040000080400000a040";
constexpr char kFortranFloat64[] =
    "934e554d5059010076007b276465736372273a20273c6638272c2027666f727472616e5f6f72646572273a20547275652c20277368617065"
    "273a2028322c2033292c207d2020202020202020202020202020202020202020202020202020202020202020202020202020202020202020"
    "2020202020202020202020202020200a00000000000000000000000000000840000000000000f03f00000000000010400000000000000040"
    "0000000000001440";
constexpr char kBigEndianInt16[] =
    "934e554d5059010076007b276465736372273a20273e6932272c2027666f727472616e5f6f72646572273a2046616c73652c202773686170"
    "65273a2028332c292c207d202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020"
    "2020202020202020202020202020200a0001fffe012c";
constexpr char kScalarInt64[] =
    "934e554d5059010076007b276465736372273a20273c6938272c2027666f727472616e5f6f72646572273a2046616c73652c202773686170"
    "65273a2028292c207d2020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020"
    "2020202020202020202020202020200a0700000000000000";
constexpr char kBool[] =
    "934e554d5059010076007b276465736372273a20277c6231272c2027666f727472616e5f6f72646572273a2046616c73652c202773686170"
    "65273a2028332c292c207d202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020"
    "2020202020202020202020202020200a010001";
constexpr char kEmpty[] =
    "934e554d5059010076007b276465736372273a20277c7531272c2027666f727472616e5f6f72646572273a2046616c73652c202773686170"
    "65273a2028302c2033292c207d20202020202020202020202020202020202020202020202020202020202020202020202020202020202020"
    "2020202020202020202020202020200a";
constexpr char kVersion2Float16[] =
    "934e554d50590200740000007b276465736372273a20273c6632272c2027666f727472616e5f6f72646572273a2046616c73652c20277368"
    "617065273a2028322c292c207d20202020202020202020202020202020202020202020202020202020202020202020202020202020202020"
    "2020202020202020202020202020200a003e00c0";

TEST(Npy, ReadsWhatNumPyWrote) {
  const at::Tensor six = at::arange(6, at::kDouble).view({2, 3});
  EXPECT_TRUE(at::equal(read_bytes(test::unhex(kFloat32)), six.to(at::kFloat)));
  EXPECT_TRUE(at::equal(read_bytes(test::unhex(kFortranFloat64)), six));
  EXPECT_TRUE(at::equal(read_bytes(test::unhex(kBigEndianInt16)), at::tensor({1, -2, 300}, at::kShort)));
  EXPECT_TRUE(at::equal(read_bytes(test::unhex(kScalarInt64)), at::scalar_tensor(7, at::kLong)));
  EXPECT_TRUE(at::equal(read_bytes(test::unhex(kBool)), at::tensor({1, 0, 1}, at::kByte).to(at::kBool)));
  EXPECT_TRUE(at::equal(read_bytes(test::unhex(kEmpty)), at::zeros({0, 3}, at::kByte)));
  EXPECT_TRUE(at::equal(read_bytes(test::unhex(kVersion2Float16)), at::tensor({1.5, -2.0}).to(at::kHalf)));
}

TEST(Npy, WritesTheBytesThatNumPyWrites) {
  const TemporaryFolder folder;
  const auto written = [&](const at::Tensor& x) {
    io::write_npy(folder / "x.npy", x);
    return test::get(folder / "x.npy");
  };
  EXPECT_EQ(written(at::arange(6, at::kFloat).view({2, 3})), test::unhex(kFloat32));
  EXPECT_EQ(written(at::scalar_tensor(7, at::kLong)), test::unhex(kScalarInt64));
  EXPECT_EQ(written(at::tensor({1, 0, 1}, at::kByte).to(at::kBool)), test::unhex(kBool));
  EXPECT_EQ(written(at::zeros({0, 3}, at::kByte)), test::unhex(kEmpty));
}

TEST(Npy, EveryTypeAndShapeRoundTrips) {
  const TemporaryFolder folder;
  const Rng rng(6);
  int64_t step = 0;
  for (const auto type : {at::kBool, at::kByte, at::kChar, at::kShort, at::kInt, at::kLong, at::kUInt16, at::kUInt32,
                          at::kUInt64, at::kHalf, at::kFloat, at::kDouble})
    for (const std::vector<int64_t>& shape : {std::vector<int64_t>{}, {1}, {0}, {4, 0}, {5, 3, 2, 2}}) {
      const at::Tensor x = rng.uniform(Stream::kTest, step++, shape).mul(100).to(type);
      io::write_npy(folder / "x.npy", x);
      const at::Tensor back = io::read_npy(folder / "x.npy");
      EXPECT_EQ(back.scalar_type(), type);
      ASSERT_EQ(back.sizes(), x.sizes());
      EXPECT_TRUE(at::equal(back.to(at::kDouble), x.to(at::kDouble)));
      EXPECT_EQ(test::get(folder / "x.npy").size() % 64, x.nbytes() % 64);  // the data begins at a multiple of 64
    }
}

TEST(Npy, ViewsAndTypesThatNumPyLacks) {
  const TemporaryFolder folder;
  const at::Tensor x = at::arange(6, at::kFloat).view({2, 3});
  io::write_npy(folder / "x.npy", x.t());
  EXPECT_TRUE(at::equal(io::read_npy(folder / "x.npy"), x.t()));
  io::write_npy(folder / "x.npy", x.to(at::kBFloat16));
  EXPECT_TRUE(at::equal(io::read_npy(folder / "x.npy"), x));
  expect_message(message_of<Error>([&] { io::write_npy(folder / "y.npy", x.to(at::kComplexFloat)); }),
                 {folder / "y.npy"});
}

TEST(Npy, EveryTruncationAndTrailingByteIsRefused) {
  const std::string whole = test::unhex(kFloat32);
  for (size_t size = 0; size < whole.size(); ++size)
    expect_message(message_of<DataError>([&] { read_bytes(whole.substr(0, size)); }), {"x.npy: "});
  expect_message(message_of<DataError>([&] { read_bytes(whole + "x"); }), {"24 data bytes, found 25"});
}

struct Lie {
  const char* name;
  std::string file;
  std::string part;
};

class NpyLies : public testing::TestWithParam<Lie> {};

TEST_P(NpyLies, IsRefusedByName) {
  expect_message(message_of<DataError>([] { read_bytes(GetParam().file); }), {"x.npy: ", GetParam().part});
}

std::vector<Lie> lies() {
  const std::string four(4, '\0');
  const auto header = [](const std::string& descr, const std::string& order, const std::string& shape) {
    return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
  };
  std::string version = test::unhex(kFloat32), many = "(";
  version[6] = 9;
  for (int i = 0; i < 65; ++i) many += "1,";
  return {
      {"not_npy", "PK\x03\x04 and more than ten bytes", "not a .npy file"},
      {"version", version, "version 9.0"},
      {"header_past_end", std::string("\x93NUMPY\x01\x00\xff\xff{}", 12), "truncated"},
      {"no_dictionary", file_of("[1, 2]\n", four), "malformed"},
      {"no_shape", file_of("{'descr': '<f4', 'fortran_order': False}\n", four), "is missing"},
      {"twice", file_of("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}\n", four),
       "stands twice"},
      {"other_key", file_of("{'descr': '<f4', 'order': False, 'shape': (1,)}\n", four), "'order'"},
      {"after", file_of(header("'<f4'", "False", "(1,)") + "x", four), "follows the dictionary"},
      {"open_quote", file_of("{'descr: <f4}", four), "does not end"},
      {"order", file_of(header("'<f4'", "0", "(1,)"), four), "neither True nor False"},
      {"negative", file_of(header("'<f4'", "False", "(-1,)"), four), "expected a size"},
      {"huge", file_of(header("'<f4'", "False", "(99999999999999999999,)"), four), "too large"},
      {"overflow", file_of(header("'|u1'", "False", "(4294967297, 4294967292)"), four), "more than 2^62"},
      {"overflow_behind_zero", file_of(header("'|u1'", "False", "(0, 4294967296, 4294967296)"), ""), "more than 2^62"},
      {"dimensions", file_of(header("'|u1'", "False", many + ")"), "\1"), "more than 64 dimensions"},
      {"records", file_of(header("[('a', '<f4')]", "False", "(1,)"), four), "records"},
      {"complex", file_of(header("'<c8'", "False", "(1,)"), four), "'<c8' is not read"},
      {"objects", file_of(header("'|O'", "False", "(1,)"), four), "'|O' is not read"},
      {"three_bytes", file_of(header("'<f3'", "False", "(1,)"), four), "'<f3' is not read"},
      {"one_byte_float", file_of(header("'<f1'", "False", "(4,)"), four), "'<f1' is not read"},
      {"bool_of_two", file_of(header("'|b1'", "False", "(4,)"), test::unhex("00010200")), "bool"},
  };
}

INSTANTIATE_TEST_SUITE_P(All, NpyLies, testing::ValuesIn(lies()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace kaem
