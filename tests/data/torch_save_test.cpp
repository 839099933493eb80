#include <gtest/gtest.h>

#include "data/formats/torch_save.h"
#include "kaem/core/error.h"
#include "support.h"
#include "support/files.h"

namespace kaem {
namespace {

using namespace test;

std::string text(const std::string& s) { return "X" + word32(s.size()) + s; }
std::string whole(int64_t value) { return "\x8a\x08" + little_endian(value); }
std::string tuple(const std::vector<int64_t>& values) {
  std::string items;
  for (const int64_t value : values) items += whole(value);
  return "(" + items + "t";
}

struct Tensor {
  int64_t numel = 6, offset = 0;
  std::vector<int64_t> sizes = {1, 2, 3}, strides = {6, 3, 1};
  std::string storage = "ctorch\nFloatStorage\n", key = "0";
};

std::string arguments(const Tensor& t, const std::string& view = "") {
  return "((" + text("storage") + t.storage + text(t.key) + text("cpu") + whole(t.numel) + view + "tQ" +
         whole(t.offset) + tuple(t.sizes) + tuple(t.strides) + "\x89" + "ccollections\nOrderedDict\n)Rt";
}
std::string pickled(const Tensor& t) { return "ctorch._utils\n_rebuild_tensor_v2\n" + arguments(t) + "R"; }
std::string dict(const std::string& name, const std::string& value) { return "\x80\x02}(" + text(name) + value + "u."; }

std::string floats(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}
const std::string kSix = floats({0, 1, 2, 3, 4, 5});

std::string archive(const std::string& pickle, const std::string& storage = kSix) {
  return zip_file({{"a/data.pkl", pickle}, {"a/byteorder", "little"}, {"a/data/0", storage}, {"a/version", "3\n"}});
}

SavedTensor read(const std::string& file) { return parse_torch_save(file, {"y", "sol"}, "f.pt"); }
std::string refusal(const std::string& file) {
  return message_of<DataError>([&] { read(file); });
}

TEST(TorchSave, TensorsComeBackFromDictsOfAllKinds) {
  const std::string parameter = "ctorch._utils\n_rebuild_parameter\n(" + pickled({}) +
                                "\x88"
                                "ccollections\nOrderedDict\n)RtR";
  const std::string subclass =
      "ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\nctorch\nTensor\n" + arguments({}) +
      "}tR";
  const std::string ordered =
      "\x80\x02"
      "ccollections\nOrderedDict\n)R(" +
      text("y") + pickled({}) + "u}(" + text("_metadata") + "NubN0.";
  const std::string tagged =
      "\x80\x02"
      "ctorch.jit._pickle\nrestore_type_tag\n(}(" +
      text("y") + pickled({}) + "u" + text("Dict[str, Tensor]") + "tR.";
  for (const auto& pickle : {dict("y", pickled({})), dict("sol", parameter), dict("y", subclass), ordered, tagged}) {
    const SavedTensor tensor = read(archive(pickle));
    EXPECT_EQ(tensor.sizes, (std::vector<int64_t>{1, 2, 3}));
    EXPECT_EQ(tensor.kind, 'f');
    EXPECT_EQ(tensor.storage, kSix);
  }
  const std::string words =
      "ctorch._utils\n_rebuild_tensor_v3\n" + arguments({.numel = 24, .storage = "ctorch.storage\nUntypedStorage\n"});
  const std::string typed = words.substr(0, words.size() - 1) + "ctorch\nuint32\ntR";
  const SavedTensor tensor = read(archive(dict("y", typed)));
  EXPECT_EQ(tensor.kind, 'u');
  EXPECT_EQ(tensor.item_size, 4u);
}

TEST(TorchSave, NothingOutsideTheRecordIsDescribed) {
  const auto damaged = [](const Tensor& tensor, const std::string& storage = kSix) {
    return refusal(archive(dict("y", pickled(tensor)), storage));
  };
  expect_message(damaged({}, ""), {"f.pt: tensor 'y'", "its storage has 0 bytes, expected 24"});
  expect_message(damaged({.numel = 7}), {"24 bytes, expected 28"});
  expect_message(damaged({.numel = INT64_MAX}), {"a storage of 9223372036854775807 elements"});
  EXPECT_FALSE(damaged({.numel = -1}).empty());
  expect_message(damaged({.offset = 1}), {"shape 1x2x3 at offset 1", "beyond its storage of 6 elements"});
  expect_message(damaged({.offset = 2000000000}), {"begins outside its storage"});
  expect_message(damaged({.offset = -100000000}), {"begins outside its storage"});
  expect_message(damaged({.offset = INT64_MIN}), {"begins outside its storage"});
  expect_message(damaged({.sizes = {20000, 256, 256}}), {"has more elements than can be"});
  expect_message(damaged({.sizes = {INT64_MAX, INT64_MAX, 3}}), {"has more elements than can be"});
  expect_message(damaged({.sizes = {2, 2, 3}}), {"beyond its storage"});
  expect_message(damaged({.sizes = {-1, 2, 3}}), {"negative size or stride"});
  expect_message(damaged({.strides = {6, -3, 1}}), {"negative size or stride"});
  expect_message(damaged({.strides = {6, INT64_MAX, INT64_MAX}}), {"beyond its storage"});
  expect_message(damaged({.strides = {3, 1}}), {"no offset, sizes and strides"});
  expect_message(damaged({.storage = "ctorch\nComplexFloatStorage\n"}), {"of a type that is not read"});
  expect_message(damaged({.storage = "cos\nsystem\n"}), {"of a type that is not read"});
  expect_message(damaged({.key = "1"}), {"record a/data/1 is missing"});
  EXPECT_EQ(read(archive(dict("y", pickled({.sizes = {1000, 2, 3}, .strides = {0, 3, 1}})))).strides[0], 0);
}

TEST(TorchSave, OtherContentIsNamed) {
  expect_message(refusal(archive("\x80\x02" + pickled({}) + ".")),
                 {"f.pt: holds no dict of tensors but a tensor", "torch.save({"});
  expect_message(refusal(archive(dict("train", "}"))), {"no tensor called one of y, sol; it holds 'train' (a dict)"});
  expect_message(refusal(archive(dict("y", "cos\nsystem\n" + text("true") + "\x85R"))),
                 {"it holds 'y' (an object of os.system)"});
  expect_message(refusal(archive(dict("y", "ctorch._utils\n_rebuild_sparse_tensor\n)R"))),
                 {"'y' is no dense tensor of plain numbers"});
  expect_message(refusal("\x80\x02}q\x01."), {"neither a zip archive"});
  expect_message(refusal(zip_file({{"a.txt", "x"}})), {"a zip archive without data.pkl"});
  const std::string deep = "\x80\x02" + std::string(1 << 20, '(') + std::string(1 << 20, 't') + ".";
  EXPECT_NE(refusal(archive(deep)).find("f.pt"), std::string::npos);
  std::string nested = "\x80\x02N";
  for (int i = 0; i < 1 << 20; ++i) nested += '\x85';
  expect_message(refusal(archive(nested + ".")), {"holds no dict of tensors but a tuple"});
  const std::string file = archive(dict("y", pickled({})));
  for (size_t size = 0; size < file.size(); ++size)
    EXPECT_NE(refusal(file.substr(0, size)).find("f.pt: "), std::string::npos) << size;
}

TEST(TorchSave, TheLegacyFormIsRead) {
  const std::string magic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.", 21);
  const auto machine = [](const char* little) {
    return "\x80\x02}(" + text("protocol_version") + "M\xe9\x03" + text("little_endian") + little + "u.";
  };
  const std::string pickle =
      "\x80\x02}(" + text("y") + "ctorch._utils\n_rebuild_tensor_v2\n" + arguments({}, "N") + "Ru.";
  const std::string keys = "\x80\x02](" + text("0") + "e.";
  const std::string head = magic + machine("\x88") + pickle + keys, file = head + little_endian(int64_t{6}) + kSix;
  EXPECT_EQ(read(file).storage, kSix);
  EXPECT_EQ(read(file).strides, (std::vector<int64_t>{6, 3, 1}));
  for (size_t size = 0; size < file.size(); ++size)
    EXPECT_NE(refusal(file.substr(0, size)).find("f.pt"), std::string::npos) << size;
  expect_message(refusal(magic + machine("\x89") + pickle + keys), {"not little-endian"});
}

}  // namespace
}  // namespace kaem
