#include <gtest/gtest.h>

#include "data/formats/cifar.h"
#include "data/formats/mat.h"
#include "data/formats/pickle.h"
#include "data/formats/tar.h"
#include "kaem/core/error.h"
#include "support.h"
#include "support/files.h"

namespace kaem {
namespace {

using namespace test;

std::string doubles(const std::vector<double>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double)};
}

TEST(Mat, ArraysComeBackWhateverTheirForm) {
  for (const bool packed : {true, false}) {
    const std::string file = mat_file({mat_matrix("first", {2, 3}, 6, 9, doubles({1, 2, 3, 4, 5, 6})),
                                       mat_matrix("y", {1, 3}, 6, 2, "abc"),  // doubles that are stored as bytes
                                       mat_matrix("long_name", {1, 1}, 7, 7, std::string(4, '\0'))},
                                      packed);
    EXPECT_EQ(mat_names(file, "f"), (std::vector<std::string>{"first", "y", "long_name"}));
    const auto arrays = parse_mat(file, {"y", "first", "long_name"}, "f");
    EXPECT_EQ(arrays[0].shape, (std::vector<int64_t>{1, 3}));
    EXPECT_EQ(arrays[0].bytes, "abc");
    EXPECT_EQ(arrays[0].kind, 'u');
    EXPECT_EQ(arrays[1].shape, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(arrays[1].item_size, 8u);
    EXPECT_EQ(arrays[1].bytes, doubles({1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(arrays[2].kind, 'f');
    EXPECT_EQ(arrays[2].item_size, 4u);
  }
}

TEST(Mat, EveryTruncationIsRefusedByName) {
  for (const bool packed : {true, false}) {
    const std::string file = mat_file({mat_matrix("X", {2, 8}, 9, 2, "0123456789abcdef")}, packed);
    for (size_t size = 0; size < file.size(); ++size)
      expect_message(message_of<DataError>([&] { parse_mat(file.substr(0, size), {"X"}, "cut.mat"); }), {"cut.mat: "});
  }
}

TEST(Mat, ContradictionsAreRefusedByName) {
  const auto refusal = [](const std::string& file) {
    return message_of<DataError>([&] { parse_mat(file, {"X"}, "f.mat"); });
  };
  const std::string good = mat_matrix("X", {2, 2}, 9, 2, "abcd");
  expect_message(refusal(mat_file({mat_matrix("Y", {2, 2}, 9, 2, "abcd")})), {"f.mat: holds no array X"});
  expect_message(refusal(mat_file({mat_matrix("X", {2, 3}, 9, 2, "abcd")})),
                 {"f.mat: array X of shape 2x3 has 4 bytes of data, expected 6"});
  expect_message(refusal(mat_file({mat_matrix("X", {2, 2}, 9, 2, "abcd", 0x800)})), {"f.mat: array X is complex"});
  expect_message(refusal(mat_file({mat_matrix("X", {2, 2}, 1, 2, "abcd")})), {"array X is not numeric"});
  expect_message(refusal(mat_file({mat_matrix("X", {2, 2}, 9, 16, "abcd")})), {"stored as type 16"});
  expect_message(refusal(mat_file({mat_matrix("X", {0x7fffffff, 0x7fffffff}, 9, 2, "abcd")})), {"impossible shape"});
  expect_message(refusal(mat_file({mat_matrix("X", {-1, 2}, 9, 2, "abcd")})), {"impossible shape -1x2"});
  std::string other = mat_file({good});
  other.replace(126, 2, "MI");
  expect_message(refusal(other), {"f.mat", "big-endian"});
  other.replace(126, 2, "??");
  expect_message(refusal(other), {"not a MATLAB 5 file"});
  std::string damaged = mat_file({good});
  damaged[damaged.size() - 2] = static_cast<char>(damaged[damaged.size() - 2] ^ 1);  // the checksum of zlib
  EXPECT_NE(refusal(damaged).find("f.mat: "), std::string::npos);
}

TEST(Tar, FilesComeBackAndDamageIsRefused) {
  const std::string tar = tar_file({{"a/one", "first"}, {"two", std::string(1000, 'x')}});
  const auto entries = parse_tar(tar, "f.tar");
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].name, "a/one");
  EXPECT_EQ(entries[0].content, "first");
  EXPECT_EQ(entries[1].content, std::string(1000, 'x'));
  expect_message(message_of<DataError>([&] { parse_tar(tar.substr(0, 2000), "f.tar"); }),
                 {"f.tar: truncated tar archive: an entry of 1000 bytes"});
  std::string damaged = tar;
  damaged[3] = 'q';
  expect_message(message_of<DataError>([&] { parse_tar(damaged, "f.tar"); }), {"f.tar: not a tar archive"});
}

TEST(CifarBinary, SizesAndLabelsAreChecked) {
  const std::string file = cifar_record(3, 0) + cifar_record(9, 7);
  const CifarBatch batch = parse_cifar_binary(file, "f.bin");
  EXPECT_EQ(batch.labels, (std::vector<uint8_t>{3, 9}));
  EXPECT_EQ(batch.pixels[1].substr(0, 2), "\x07\x08");
  const auto refusal = [](const std::string& bytes) {
    return message_of<DataError>([&] { parse_cifar_binary(bytes, "f.bin"); });
  };
  expect_message(refusal(file.substr(1)), {"f.bin: 6145 bytes", "records of 3073"});
  expect_message(refusal(""), {"f.bin: 0 bytes"});
  expect_message(refusal(file + cifar_record(10, 0)), {"label 10 of record 2, expected 0 to 9"});
}

TEST(CifarPickle, HoldsTheSameAsTheBinaryForm) {
  const std::string pixels = cifar_record(0, 5).substr(1) + cifar_record(0, 77).substr(1);
  const std::string file = cifar_pickle({8, 1}, pixels);
  const CifarBatch batch = parse_cifar_pickle(file, "f");
  EXPECT_EQ(batch.labels, (std::vector<uint8_t>{8, 1}));
  EXPECT_EQ(batch.pixels[0], pixels.substr(0, 3072));
  EXPECT_EQ(batch.pixels[1], pixels.substr(3072));
  for (size_t size = 0; size < file.size(); size += size < 200 || size + 200 > file.size() ? 1 : 97)
    expect_message(message_of<DataError>([&] { parse_cifar_pickle(file.substr(0, size), "cut"); }), {"cut: "});
  expect_message(message_of<DataError>([&] {
                   parse_cifar_pickle(cifar_pickle({8, 1}, pixels, '\x88'), "f");
                 }),
                 {"column after column"});
  expect_message(message_of<DataError>([&] {
                   parse_cifar_pickle(cifar_pickle({8, 1}, pixels.substr(1)), "f");
                 }),
                 {"'data' has 6143 bytes, expected 6144"});
  expect_message(message_of<DataError>([&] {
                   parse_cifar_pickle(cifar_pickle({8, 10}, pixels), "f");
                 }),
                 {"label 10 of record 1"});
  expect_message(message_of<DataError>([] { parse_cifar_pickle("\x80\x02]q\x01.", "f"); }), {"holds no dict"});
  expect_message(message_of<DataError>([] { parse_cifar_pickle("\x80\x02}q\x01.", "f"); }), {"no array 'data'"});
  expect_message(message_of<DataError>([] { parse_cifar_pickle("cos\nsystem\nU\x02ls\x85R.", "f"); }),
                 {"holds no dict"});  // nothing is ever called
}

TEST(CifarPickle, OfPython3IsReadInEveryProtocol) {
  const std::string pixels = cifar_record(0, 5).substr(1) + cifar_record(0, 177).substr(1);
  for (const int protocol : {2, 3, 4, 5})
    for (const bool byte_keys : {false, true})
      for (const char* numpy : {"numpy.core", "numpy._core"}) {
        const std::string file = cifar_pickle3(protocol, {8, 1}, pixels, byte_keys, numpy);
        const CifarBatch batch = parse_cifar_pickle(file, "f");
        EXPECT_EQ(batch.labels, (std::vector<uint8_t>{8, 1}));
        EXPECT_EQ(batch.pixels[0], pixels.substr(0, 3072)) << protocol;
        EXPECT_EQ(batch.pixels[1], pixels.substr(3072)) << protocol;
        for (size_t size = 0; size < file.size(); size += size < 300 || size + 200 > file.size() ? 1 : 97)
          expect_message(message_of<DataError>([&] { parse_cifar_pickle(file.substr(0, size), "cut"); }), {"cut: "});
      }
  // Labels that were converted to an array of int64.
  std::string file = cifar_pickle3(3, {8, 1}, pixels);
  file.resize(file.rfind("]("));
  file += "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" +
          std::string("K\0\x85\x43\1b\x87R(K\1K\2\x85", 14) + "cnumpy\ndtype\nX" + word32(2) +
          "i8\x89\x88\x87R\x89\x43\x10" + little_endian(int64_t{8}) + little_endian(int64_t{1}) + "tbu.";
  EXPECT_EQ(parse_cifar_pickle(file, "f").labels, (std::vector<uint8_t>{8, 1}));
  expect_message(message_of<DataError>([&] { parse_cifar_pickle(std::string("\x80\x06", 2) + "}.", "f"); }),
                 {"f: not a pickle that is read here: protocol 6"});
}

/// pickle.dumps({'big': np.array([8, -1], '>i4'), 'small': np.array([8, 255], 'u1'), 'mixed': [np.int64(8),
/// np.uint8(255), np.int16(-2), 3], 'n': [1, True, 70000, 2**40, -5]}, protocol=1) of NumPy 2.4.
constexpr const char* kProtocol1 =
    "7d71002858030000006269677101636e756d70792e5f636f72652e6d756c746961727261790a5f7265636f6e737472756374"
    "0a710228636e756d70790a6e6461727261790a7103284b00747104635f636f646563730a656e636f64650a71052858010000"
    "0062710658060000006c6174696e31710774710852710974710a52710b284b01284b0274710c636e756d70790a6474797065"
    "0a710d2858020000006934710e4930300a4930310a74710f527110284b0358010000003e71114e4e4e4affffffff4affffff"
    "ff4b00747112624930300a680528580c00000000000008c3bfc3bfc3bfc3bf71136807747114527115747116625805000000"
    "736d616c6c71176802286803284b00747118680974711952711a284b01284b0274711b680d2858020000007531711c493030"
    "0a4930310a74711d52711e284b0358010000007c711f4e4e4e4affffffff4affffffff4b00747120624930300a6805285803"
    "00000008c3bf712168077471225271237471246258050000006d6978656471255d712628636e756d70792e5f636f72652e6d"
    "756c746961727261790a7363616c61720a712728680d285802000000693871284930300a4930310a74712952712a284b0358"
    "010000003c712b4e4e4e4affffffff4affffffff4b0074712c6268052858080000000800000000000000712d680774712e52"
    "712f747130527131682728681e6805285802000000c3bf71326807747133527134747135527136682728680d285802000000"
    "693271374930300a4930310a747138527139284b03682b4e4e4e4affffffff4affffffff4b0074713a626805285804000000"
    "c3bec3bf713b680774713c52713d74713e52713f4b036558010000006e71405d7141284b014930310a4a701101004c313039"
    "393531313632373737364c0a4afbffffff65752e";

TEST(Pickle, OfProtocol1AndNumPysOwnNumbersOfEitherByteOrderAreRead) {
  const std::string file = test::unhex(kProtocol1);
  const PickledArrays content = parse_pickle(file, "f");
  const auto integers = [&](const char* name) { return integers_of(content.arrays.at(name)); };
  EXPECT_EQ(integers("big"), (std::vector<int64_t>{8, -1}));
  EXPECT_EQ(integers("small"), (std::vector<int64_t>{8, 255}));
  EXPECT_EQ(content.lists.at("mixed"), (std::vector<int64_t>{8, 255, -2, 3}));
  EXPECT_EQ(content.lists.at("n"), (std::vector<int64_t>{1, 1, 70000, int64_t{1} << 40, -5}));
  for (size_t size = 0; size < file.size(); ++size)
    expect_message(message_of<DataError>([&] { parse_pickle(file.substr(0, size), "cut"); }), {"cut: "});
  expect_message(message_of<DataError>([] { parse_pickle("I1x\n.", "f"); }), {"f: not a pickle that is read here"});
}

}  // namespace
}  // namespace kaem
