#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/data/dataset.h"
#include "kaem/io/file.h"
#include "support.h"
#include "support/files.h"

namespace kaem {
namespace {

using namespace test;

/// Pixel of image n at channel c, row h, column w.
int pixel(int n, int c, int h, int w) { return (n * 31 + c * 101 + h * 7 + w * 3) % 256; }

/// X (32,32,3,N) column-major and y.
std::string svhn_file(int count, int side = 32, int labels = -1, int first_label = 1) {
  std::string x, y;
  for (int n = 0; n < count; ++n)
    for (int c = 0; c < 3; ++c)
      for (int w = 0; w < side; ++w)
        for (int h = 0; h < side; ++h) x += static_cast<char>(pixel(n, c, h, w));
  for (int n = 0; n < (labels < 0 ? count : labels); ++n) y += static_cast<char>((first_label - 1 + n) % 10 + 1);
  const auto rows = static_cast<int32_t>(y.size());
  return mat_file({mat_matrix("X", {side, side, 3, count}, 9, 2, x), mat_matrix("y", {rows, 1}, 9, 2, y)});
}

std::string cifar_file(int count, int first = 0) {
  std::string file;
  for (int n = first; n < first + count; ++n) {
    file += static_cast<char>(n % 10);
    for (int c = 0; c < 3; ++c)
      for (int h = 0; h < 32; ++h)
        for (int w = 0; w < 32; ++w) file += static_cast<char>(pixel(n, c, h, w));
  }
  return file;
}

Dataset load(const TemporaryFolder& root, const std::string& name, int64_t train, int64_t test,
             std::vector<int64_t> resize = {}) {
  return make_dataset({.name = name,
                       .root = root.str(),
                       .train_size = train,
                       .test_size = test,
                       .resize = std::move(resize),
                       .offline = true});
}

void expect_pixels(const at::Tensor& images, int first) {
  for (const auto& [n, c, h, w] : std::vector<std::array<int, 4>>{{0, 0, 0, 0}, {1, 1, 2, 30}, {2, 2, 31, 1}})
    EXPECT_EQ(images[n][c][h][w].item<int>(), pixel(first + n, c, h, w)) << n << c << h << w;
}

TEST(Svhn, IsFoundEverywhereAndTurnedTheRightWay) {
  for (const char* place : {"train_32x32.mat", "svhn/train_32x32.mat", "SVHN2/train_32x32_first12.mat"}) {
    const TemporaryFolder root;
    put(root / place, svhn_file(12));
    const Dataset data = load(root, "SVHN", 9, 3);
    ASSERT_EQ(data.train.sizes(), at::IntArrayRef({9, 3, 32, 32}));
    EXPECT_EQ(data.train.scalar_type(), at::kByte);
    EXPECT_EQ(data.shape, (std::array<int64_t, 3>{3, 32, 32}));
    expect_pixels(data.train, 0);
    expect_pixels(data.test, 9);
    EXPECT_EQ(data.train_labels[8].item<int64_t>(), 9);
    EXPECT_EQ(data.test_labels[0].item<int64_t>(), 0);  // 10 means the digit 0
    EXPECT_EQ(data.sources[0].second, io::sha256(get(root / place)));
    ASSERT_FALSE(data.notes.empty());
    expect_message(data.notes[0], {"SVHN: no test files, so the last 3 training images are the test set"});
  }
}

TEST(Svhn, TestFileAndResizeAndPangName) {
  const TemporaryFolder root;
  put(root / "svhn/train_32x32.mat", svhn_file(4));
  put(root / "svhn/test_32x32.mat", svhn_file(3));
  const Dataset data = load(root, "SVHNPANG", 4, 3, {16, 16});
  EXPECT_EQ(data.name, "SVHNPANG");
  EXPECT_EQ(data.train.sizes(), at::IntArrayRef({4, 3, 16, 16}));
  EXPECT_EQ(data.test.size(0), 3);
  EXPECT_TRUE(data.notes.empty());
}

TEST(Svhn, ExtraRecordsFollowWhereMoreAreAskedFor) {
  const TemporaryFolder root;
  put(root / "svhn/train_32x32.mat", svhn_file(4));
  put(root / "svhn/test_32x32.mat", svhn_file(3));
  put(root / "svhn/extra_32x32_first5.mat", svhn_file(5, 32, -1, 7));
  EXPECT_EQ(load(root, "SVHN", 4, 3).sources.size(), 2u) << "it is not read without need";
  const Dataset data = load(root, "SVHN", 8, 3);
  ASSERT_EQ(data.train.size(0), 8);
  expect_pixels(data.train.narrow(0, 4, 4), 0);
  EXPECT_EQ(data.train_labels[3].item<int64_t>(), 4);
  EXPECT_EQ(data.train_labels[4].item<int64_t>(), 7);
  ASSERT_EQ(data.notes.size(), 1u);
  expect_message(data.notes[0], {"extra_32x32_first5.mat follow"});
  std::filesystem::remove(root / "svhn/extra_32x32_first5.mat");
  EXPECT_EQ(load(root, "SVHN", 8, 3).train.size(0), 4);
  for (const auto& info : list_datasets(root.str()))
    EXPECT_EQ(info.complete, info.files.empty() || info.name.starts_with("SVHN"));
}

TEST(Svhn, AnExplicitFetchCompletesAPart) {
  const TemporaryFolder root, mirror;
  put(mirror / "train_32x32.mat", svhn_file(6));
  put(mirror / "test_32x32.mat", svhn_file(3));
  put(root / "svhn/train_32x32_first4.mat", svhn_file(4));
  const Environment variable("KAEM_DATA_MIRROR", "file://" + mirror.str());
  // These are not the published files, and are refused as such: but they are asked for.
  expect_message(message_of<DataError>([&] { fetch_dataset("SVHN", root.str()); }),
                 {"svhn/train_32x32.mat: what file://", "expected e26dedcc434d2e4c"});
  EXPECT_EQ(load(root, "SVHN", 9, 1).train.size(0), 3) << "training takes what there is";
}

TEST(Svhn, ContradictionsAreRefusedByName) {
  const auto refusal = [](const std::string& file) {
    const TemporaryFolder root;
    put(root / "svhn/train_32x32.mat", file);
    return message_of<DataError>([&] { load(root, "SVHN", 2, 1); });
  };
  expect_message(refusal(svhn_file(3, 16)), {"train_32x32.mat: X is not an array of bytes of shape 32x32x3xN"});
  expect_message(refusal(svhn_file(3, 32, 2)), {"train_32x32.mat: y has 2 labels, but X has 3 images"});
  const std::string good = svhn_file(3);
  expect_message(refusal(good.substr(0, good.size() - 7)), {"train_32x32.mat: truncated"});
  expect_message(refusal("nothing"), {"train_32x32.mat: truncated MATLAB file: 7 bytes"});
  const std::string x(32 * 32 * 3, 'x');
  expect_message(refusal(mat_file({mat_matrix("X", {32, 32, 3, 1}, 9, 2, x), mat_matrix("y", {1, 1}, 9, 2, "\x0b")})),
                 {"label 11 of record 0, expected 1 to 10"});
  const TemporaryFolder root;
  put(root / "svhn/train_32x32.mat",
      mat_file({mat_matrix("X", {32, 32, 3, 1}, 9, 2, x), mat_matrix("y", {1, 1}, 9, 2, "\x0b")}));
  expect_message(message_of<DataError>([&] { verify_dataset("SVHN", root.str()); }), {"label 11 of record 0"});
}

TEST(Svhn, AbsentFilesAreNamedWithTheirPlaces) {
  const TemporaryFolder root;
  expect_message(message_of<DataError>([&] { load(root, "SVHN", 2, 1); }),
                 {"SVHN in " + root.str(), "missing train_32x32.mat, test_32x32.mat",
                  "from http://ufldl.stanford.edu/housenumbers/ into " + root / "svhn", "--offline"});
}

TEST(Cifar, BinaryPythonAndArchivesHoldTheSame) {
  const std::string one = cifar_file(6), two = cifar_file(5, 6), test = cifar_file(4, 20);
  const auto pickled = [](const std::string& file) {
    std::vector<int> labels;
    std::string pixels;
    for (size_t at = 0; at < file.size(); at += 3073) labels.push_back(file[at]), pixels += file.substr(at + 1, 3072);
    return cifar_pickle(labels, pixels);
  };
  using Files = std::vector<std::pair<std::string, std::string>>;
  const std::string bin = "cifar-10-batches-bin/", py = "cifar-10-batches-py/";
  const Files binary = {
      {bin + "data_batch_1.bin", one}, {bin + "data_batch_2.bin", two}, {bin + "test_batch.bin", test}};
  const Files python = {{py + "data_batch_1", pickled(one)},
                        {py + "data_batch_2", pickled(two)},
                        {py + "batches.meta", "not read"},
                        {py + "test_batch", pickled(test)}};
  const std::vector<Files> forms = {
      {{"cifar10/data_batch_1.bin", one}, {"cifar10/data_batch_2.bin", two}, {"cifar10/test_batch_first4.bin", test}},
      binary,
      python,
      {{"cifar10/cifar-10-binary.tar.gz", gzip(tar_file(binary))}},
      {{"cifar-10-python.tar.gz", gzip(tar_file(python))}}};
  for (const auto& form : forms) {
    SCOPED_TRACE(form[0].first);
    const TemporaryFolder root;
    for (const auto& [name, content] : form) put(root / name, content);
    const Dataset data = load(root, "CIFAR10", 11, 4);
    ASSERT_EQ(data.train.sizes(), at::IntArrayRef({11, 3, 32, 32}));
    expect_pixels(data.train, 0);
    expect_pixels(data.train.narrow(0, 8, 3), 8);
    expect_pixels(data.test, 20);
    EXPECT_EQ(data.train_labels[10].item<int64_t>(), 0);
    ASSERT_EQ(data.notes.size(), 1u);
    expect_message(data.notes[0], {"CIFAR10: a part of the training set, 11 of 50000 images"});
    for (const auto& line : verify_dataset("CIFAR10", root.str())) expect_message(line, {"well formed"});
  }
}

TEST(Cifar, FiveBatchesAreTheWhole) {
  const TemporaryFolder root;
  for (int n = 1; n <= 4; ++n) put(root / str("cifar10/data_batch_", n, ".bin"), cifar_file(2, 2 * n));
  const auto why = [&] { return load(root, "CIFAR10", 4, 1).notes.back(); };
  expect_message(why(), {"the training file at hand is a part of the set"});
  put(root / "cifar10/data_batch_5.bin", cifar_file(2, 10));
  expect_message(why(), {"--offline forbids the download"});
}

TEST(Cifar, RecordSizesAndEmptyArchivesAreRefusedByName) {
  const TemporaryFolder root;
  put(root / "cifar10/data_batch_1.bin", cifar_file(2) + "x");
  expect_message(message_of<DataError>([&] { load(root, "CIFAR10", 1, 1); }), {"data_batch_1.bin: 6147 bytes", "3073"});
  std::filesystem::remove(root / "cifar10/data_batch_1.bin");
  put(root / "cifar10/cifar-10-binary.tar.gz", gzip(tar_file({{"readme.html", "text"}})));
  expect_message(message_of<DataError>([&] { load(root, "CIFAR10", 1, 1); }),
                 {"cifar-10-binary.tar.gz: the archive holds no data_batch_*"});
}

/// Real files, where KAEM_DATA_DIR holds them.
std::string real_root() {
  const char* folder = std::getenv("KAEM_DATA_DIR");
  return folder == nullptr ? "" : folder;
}

bool is_there(const std::string& name) {
  for (const auto& info : list_datasets(real_root()))
    if (info.name == name) return info.state != "absent";
  return false;
}

std::vector<double> channel_means(const at::Tensor& images) {
  const at::Tensor means = images.to(at::kDouble).mean({0, 2, 3});
  return {means[0].item<double>(), means[1].item<double>(), means[2].item<double>()};
}

void expect_means(const at::Tensor& images, const std::vector<double>& expected) {
  const auto means = channel_means(images);
  for (size_t c = 0; c < 3; ++c) EXPECT_NEAR(means[c], expected[c], 1e-4);
}

TEST(RealColourSets, SvhnHasTheKnownPixelsAndLabels) {
  if (real_root().empty()) GTEST_SKIP() << "KAEM_DATA_DIR is not set";
  if (!is_there("SVHN")) GTEST_SKIP() << "SVHN is not in " << real_root();
  const Dataset data =
      make_dataset({.name = "SVHN", .root = real_root(), .train_size = 100000, .test_size = 0, .offline = true});
  if (data.train.size(0) != 1083) GTEST_SKIP() << "another part of SVHN";
  expect_means(data.train, {115.3739, 116.3806, 122.8306});
  EXPECT_TRUE(
      at::equal(at::bincount(data.train_labels), at::tensor({66, 227, 141, 134, 110, 112, 78, 70, 78, 67}, at::kLong)));
  EXPECT_TRUE(at::equal(data.train_labels.narrow(0, 0, 10), at::tensor({1, 9, 2, 3, 2, 5, 9, 3, 3, 1}, at::kLong)));
  EXPECT_TRUE(at::equal(data.train[0].select(1, 0).select(1, 0), at::tensor({33, 30, 38}, at::kByte)));
}

TEST(RealColourSets, CifarHasTheKnownPixelsAndLabels) {
  if (real_root().empty()) GTEST_SKIP() << "KAEM_DATA_DIR is not set";
  if (!is_there("CIFAR10")) GTEST_SKIP() << "CIFAR10 is not in " << real_root();
  const Dataset data =
      make_dataset({.name = "CIFAR10", .root = real_root(), .train_size = 10000, .test_size = 10000, .offline = true});
  EXPECT_TRUE(at::equal(at::bincount(data.train_labels),
                        at::tensor({1005, 974, 1032, 1016, 999, 937, 1030, 1001, 1025, 981}, at::kLong)));
  const at::Tensor means = data.train.to(at::kDouble).mean({0, 2, 3});
  for (const auto& [c, mean] : std::vector<std::pair<int, double>>{{0, 125.8318}, {1, 123.2607}, {2, 114.0307}})
    EXPECT_NEAR(means[c].item<double>(), mean, 1e-4);
  EXPECT_TRUE(at::equal(data.train_labels.narrow(0, 0, 5), at::tensor({6, 9, 9, 4, 1}, at::kLong)));
  EXPECT_TRUE(at::equal(data.test_labels.narrow(0, 0, 5), at::tensor({3, 8, 8, 0, 6}, at::kLong)));
  if (data.test.size(0) != 1017) GTEST_SKIP() << "another part of CIFAR10's test set";
  EXPECT_TRUE(at::equal(at::bincount(data.test_labels),
                        at::tensor({105, 93, 100, 104, 92, 87, 114, 102, 110, 110}, at::kLong)));
}

}  // namespace
}  // namespace kaem
