#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "data/idx_files.h"
#include "kaem/core/error.h"
#include "kaem/data/dataset.h"
#include "kaem/io/file.h"
#include "support/files.h"

namespace kaem {
namespace {

using test::expect_message;
using test::message_of;
using test::TemporaryFolder;
using test::idx::Files;
using test::idx::idx_images;
using test::idx::idx_labels;
using test::idx::kSide;
using test::idx::load;
using test::idx::pixel;
using test::idx::put_files;
using test::idx::word;

std::string refusal(const Files& files, bool pack = false) {
  const TemporaryFolder root;
  put_files(root, files, "mnist", '-', pack);
  return message_of<DataError>([&] { load(root); });
}

struct Place {
  const char* label;
  const char* name;
  const char* folder;
  char between;
  bool pack;
};

class Layouts : public testing::TestWithParam<Place> {};

TEST_P(Layouts, AreAllFound) {
  const Place& place = GetParam();
  const TemporaryFolder root;
  put_files(root, {}, place.folder, place.between, place.pack);
  const Dataset data = load(root, 20, 5, place.name);
  EXPECT_EQ(data.name, place.name);
  EXPECT_EQ(data.shape, (std::array<int64_t, 3>{1, kSide, kSide}));
  ASSERT_EQ(data.train.sizes(), at::IntArrayRef({20, 1, kSide, kSide}));
  ASSERT_EQ(data.test.sizes(), at::IntArrayRef({5, 1, kSide, kSide}));
  EXPECT_EQ(data.train.scalar_type(), at::kByte);
  for (const auto& [i, p] : std::vector<std::pair<int64_t, int64_t>>{{0, 0}, {3, 17}, {19, 35}})
    EXPECT_EQ(data.train[i].flatten()[p].item<int>(), pixel(i, p));
  EXPECT_TRUE(at::equal(data.train_labels, at::arange(20, at::kLong) % 10));
  EXPECT_TRUE(at::equal(data.test_labels, (at::arange(5, at::kLong) + 3) % 10));
  EXPECT_TRUE(data.notes.empty());
  ASSERT_EQ(data.sources.size(), 4u);
  for (const auto& [path, sha256] : data.sources) EXPECT_EQ(sha256, io::sha256(test::get(path)));
}

INSTANTIATE_TEST_SUITE_P(
    All, Layouts,
    testing::Values(Place{"packed", "MNIST", "mnist", '-', true}, Place{"plain", "MNIST", "mnist", '-', false},
                    Place{"torchvision", "MNIST", "MNIST/raw", '-', false}, Place{"dots", "MNIST", "MNIST", '.', false},
                    Place{"flat", "MNIST", ".", '-', true}, Place{"flat_dots_packed", "MNIST", ".", '.', true},
                    Place{"fashion", "FMNIST", "fashion_mnist", '-', true},
                    Place{"fashion_torchvision", "FMNIST", "FashionMNIST/raw", '-', false},
                    Place{"fashion_torchvision_packed", "FMNIST", "FashionMNIST/raw", '-', true},
                    Place{"fashion_flat", "FMNIST", ".", '-', false}),
    [](const auto& info) { return std::string(info.param.label); });

TEST(Idx, TheRootMayBeTheSetsOwnFolder) {
  const TemporaryFolder root;
  test::put(root / "MNIST/raw/train-images-idx3-ubyte", idx_images(20));
  test::put(root / "MNIST/raw/train-labels-idx1-ubyte", idx_labels(20));
  for (const char* own : {"MNIST", "MNIST/", "MNIST/.", "MNIST/raw"})
    EXPECT_EQ(make_dataset({.name = "MNIST", .root = root / own, .train_size = 15, .test_size = 5, .offline = true})
                  .train.size(0),
              15)
        << own;
}

TEST(Idx, NamesIgnoreCase) {
  const TemporaryFolder root;
  put_files(root, {});
  EXPECT_EQ(load(root, 30, 8, "mnist").name, "MNIST");
}

TEST(Idx, FewerRecordsThanAskedForAreAllUsedWithANote) {
  const TemporaryFolder root;
  put_files(root, {});
  const Dataset data = load(root, 50, 9);
  EXPECT_EQ(data.train.size(0), 30);
  EXPECT_EQ(data.test.size(0), 8);
  ASSERT_EQ(data.notes.size(), 2u);
  expect_message(data.notes[0], {"30 training images found, 50 asked for (N_train)"});
  expect_message(data.notes[1], {"8 test images found, 9 asked for (N_test)"});
}

TEST(Idx, WithoutTestFilesTheLastTrainingImagesServe) {
  const TemporaryFolder root;
  put_files(root, {});
  std::filesystem::remove(root / "mnist/t10k-images-idx3-ubyte");
  std::filesystem::remove(root / "mnist/t10k-labels-idx1-ubyte");
  const Dataset data = load(root, 26, 4);
  EXPECT_EQ(data.train.size(0), 26);
  ASSERT_EQ(data.test.size(0), 4);
  EXPECT_EQ(data.test[0].flatten()[0].item<int>(), pixel(26, 0));
  EXPECT_EQ(data.test_labels[3].item<int64_t>(), 9);
  ASSERT_EQ(data.notes.size(), 1u);
  expect_message(data.notes[0], {"the last 4 training images are the test set"});
  EXPECT_EQ(load(root, 30, 4).train.size(0), 26);  // never both trained on and tested on
  expect_message(message_of<DataError>([&] { load(root, 26, 30); }), {"30 training images cannot give 30 test images"});
}

TEST(Idx, MissingFilesAreListedWithWhereTheyComeFromAndGoTo) {
  const TemporaryFolder root;
  try {
    load(root);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_EQ(error.exit_status(), 3);
    expect_message(error.what(), {"MNIST", root.str(), "train-images-idx3-ubyte.gz and 3 more", "from https://",
                                  "into " + root / "mnist", "--offline"});
  }
  put_files(root, {});
  std::filesystem::remove(root / "mnist/train-labels-idx1-ubyte");
  expect_message(message_of<DataError>([&] { load(root); }), {"missing train-labels-idx1-ubyte.gz (from"});
}

TEST(Idx, EveryTruncationIsRefusedByName) {
  const Files whole;
  for (const size_t size :
       {size_t{0}, size_t{3}, size_t{4}, size_t{15}, size_t{16}, size_t{500}, whole.train_images.size() - 1}) {
    Files files;
    files.train_images.resize(size);
    expect_message(refusal(files), {"train-images-idx3-ubyte: truncated IDX file"});
  }
  Files files;
  files.test_labels.pop_back();
  expect_message(refusal(files),
                 {"t10k-labels-idx1-ubyte: truncated IDX file: its header says 8, that is 8 bytes of data; found 7"});
}

TEST(Idx, ContradictionsAreRefusedByName) {
  Files files;
  files.train_images += "x";
  expect_message(refusal(files), {"train-images", "trailing bytes", "30x6x6, that is 1080 bytes", "found 1081"});
  files = {};
  files.train_images = files.train_labels;
  expect_message(refusal(files), {"train-images", "magic number 2049, expected 2051"});
  files = {};
  files.train_labels = idx_labels(29);
  expect_message(refusal(files), {"train-labels-idx1-ubyte has 29 labels", "train-images-idx3-ubyte has 30 images"});
  files = {};
  files.test_images = idx_images(8, 5, 6);
  expect_message(refusal(files), {"t10k-images", "5x6", "6x6"});
  files = {};
  files.train_labels.back() = 77;
  expect_message(refusal(files), {"train-labels", "label 77 of record 29, expected 0 to 9"});
  files = {};
  files.train_images = word(2051) + word(0xffffffff) + word(0xffffffff) + word(0xffffffff);
  expect_message(refusal(files), {"train-images", "more than any file holds"});
  files = {};
  files.train_images = word(2051) + word(0) + word(6) + word(6);
  expect_message(refusal(files), {"train-images", "empty IDX file"});
  files = {};
  files.test_images = "not an IDX file at all";
  expect_message(refusal(files), {"t10k-images", "not an IDX file"});
}

TEST(Idx, DamagedGzipIsRefusedByName) {
  const auto with_images = [](const std::string& bytes) {
    const TemporaryFolder root;
    put_files(root, {}, "mnist", '-', true);
    test::put(root / "mnist/train-images-idx3-ubyte.gz", bytes);
    return message_of<DataError>([&] { load(root); });
  };
  const std::string packed = test::gzip(Files().train_images);
  expect_message(with_images(packed.substr(0, packed.size() / 2)),
                 {"train-images-idx3-ubyte.gz: truncated gzip stream"});
  std::string damaged = packed;
  damaged[packed.size() - 6] = static_cast<char>(damaged[packed.size() - 6] ^ 1);  // the checksum
  expect_message(with_images(damaged), {"train-images-idx3-ubyte.gz: damaged gzip stream"});
  expect_message(with_images(test::gzip(Files().train_images.substr(0, 700))),
                 {"train-images-idx3-ubyte.gz: truncated IDX file"});
}

TEST(Resize, KeepsConstantsRampsAndRange) {
  const TemporaryFolder root;
  Files files;
  files.train_images = word(2051) + word(2) + word(8) + word(8) + std::string(64, '\xff');
  for (int p = 0; p < 64; ++p) files.train_images += static_cast<char>(p % 8 * 20);  // a ramp along x
  files.train_labels = idx_labels(2);
  files.test_images = idx_images(2, 8, 8);
  files.test_labels = idx_labels(2);
  put_files(root, files);
  const Dataset data = make_dataset(
      {.name = "MNIST", .root = root.str(), .train_size = 2, .test_size = 2, .resize = {4, 2}, .offline = true});
  EXPECT_EQ(data.shape, (std::array<int64_t, 3>{1, 4, 2}));
  ASSERT_EQ(data.train.sizes(), at::IntArrayRef({2, 1, 4, 2}));
  EXPECT_EQ(data.train.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::allclose(data.train[0], at::ones({1, 4, 2}), 0, 1e-6));
  EXPECT_LE(data.train.max().item<float>(), 1);
  // Scale 4: a triangle filter of half width 4 around x = 1.5 and 5.5, cut at the edges; the ramp's mean under it.
  const auto filtered = [](double centre) {
    double sum = 0, weight = 0;
    for (int x = 0; x < 8; ++x) {
      const double w = std::max(0.0, 1 - std::abs(x - centre) / 4);
      sum += w * x * 20 / 255, weight += w;
    }
    return sum / weight;
  };
  for (int y = 0; y < 4; ++y) {
    EXPECT_NEAR(data.train[1][0][y][0].item<double>(), filtered(1.5), 1e-5);
    EXPECT_NEAR(data.train[1][0][y][1].item<double>(), filtered(5.5), 1e-5);
  }
  const Dataset same = make_dataset(
      {.name = "MNIST", .root = root.str(), .train_size = 2, .test_size = 2, .resize = {8, 8}, .offline = true});
  EXPECT_EQ(same.train.scalar_type(), at::kByte);
}

/// "built without downloads" is a right answer too: such builds are offered.
bool no_downloads(const std::string& message) { return message.find("without downloads") != std::string::npos; }

TEST(Fetch, AWrongChecksumIsRefusedAndRemoved) {
  const TemporaryFolder mirror, root;
  put_files(mirror, {}, ".", '-', true);
  const test::Environment variable("KAEM_DATA_MIRROR", "file://" + mirror.str());
  const std::string message = message_of<DataError>([&] { fetch_dataset("MNIST", root.str()); });
  if (no_downloads(message)) GTEST_SKIP() << message;
  const std::string sent = io::sha256(test::get(mirror / "train-images-idx3-ubyte.gz"));
  expect_message(message, {root / "mnist/train-images-idx3-ubyte.gz", "SHA-256 " + sent.substr(0, 16),
                           "expected 440fcabf73cc546f", "removed"});
  EXPECT_TRUE(std::filesystem::is_empty(root / "mnist"));
}

TEST(Fetch, WithoutAMirrorOneLineSaysWhatFromWhereAndInto) {
  const TemporaryFolder mirror, root;
  const test::Environment variable("KAEM_DATA_MIRROR", "file://" + mirror.str());
  const std::string message = message_of<DataError>([&] { fetch_dataset("FMNIST", root.str()); });
  expect_message(message, {"FMNIST", "missing train-images-idx3-ubyte.gz", "file://" + mirror.str() + "/",
                           "into " + root / "fashion_mnist"});
  if (no_downloads(message)) GTEST_SKIP() << message;
  EXPECT_TRUE(std::filesystem::is_empty(root / "fashion_mnist"));
}

TEST(Fetch, AnUnwritableFolderIsNamed) {
  const TemporaryFolder mirror, root;
  test::put(root / "file", "x");
  const test::Environment variable("KAEM_DATA_MIRROR", "file://" + mirror.str());
  const std::string message = message_of<DataError>([&] { fetch_dataset("MNIST", root / "file"); });
  if (no_downloads(message)) GTEST_SKIP() << message;
  expect_message(message, {"cannot make folder " + root / "file/mnist"});
}

TEST(Fetch, DarcyNeedsNothing) { EXPECT_NO_THROW(fetch_dataset("DARCY_FLOW", "/nowhere")); }

TEST(List, SaysWhatIsThere) {
  const TemporaryFolder root;
  put_files(root, {});
  std::filesystem::remove(root / "mnist/t10k-images-idx3-ubyte");
  const auto list = list_datasets(root.str());
  ASSERT_EQ(list.size(), dataset_names().size());
  EXPECT_EQ(list[0].name, "MNIST");
  EXPECT_FALSE(list[0].complete);
  EXPECT_EQ(list[0].found,
            (std::vector<std::string>{root / "mnist/train-images-idx3-ubyte", root / "mnist/train-labels-idx1-ubyte",
                                      "", root / "mnist/t10k-labels-idx1-ubyte"}));
  EXPECT_EQ(list[1].name, "FMNIST");
  EXPECT_EQ(list[1].found, std::vector<std::string>(4));
  EXPECT_EQ(list[0].state, "in part");
  EXPECT_EQ(list[1].state, "absent");
  EXPECT_EQ(list[5].name, "DARCY_FLOW");
  EXPECT_TRUE(list[5].files.empty());
  EXPECT_EQ(list[5].state, "made here");
}

TEST(Verify, TellsPublishedFromOtherAndBrokenFiles) {
  const TemporaryFolder root;
  put_files(root, {});
  const auto lines = verify_dataset("MNIST", root.str());
  ASSERT_EQ(lines.size(), 4u);
  expect_message(lines[0], {"train-images-idx3-ubyte: well formed, but not as published (MD5 ",
                            "published 6bbc9ace898e44ae57da46a324031adb"});
  test::put(root / "mnist/t10k-images-idx3-ubyte", "broken");
  std::vector<std::string> good;
  expect_message(message_of<DataError>([&] {
                   verify_dataset("MNIST", root.str(), [&](const std::string& line) { good.push_back(line); });
                 }),
                 {"t10k-images-idx3-ubyte: not an IDX file"});
  EXPECT_EQ(good.size(), 3u) << "the files that can be read are reported all the same";
  std::filesystem::remove(root / "mnist/t10k-images-idx3-ubyte");
  expect_message(message_of<DataError>([&] { verify_dataset("MNIST", root.str()); }),
                 {"missing t10k-images-idx3-ubyte.gz"});
}

/// Real files, where KAEM_DATA_DIR holds them.
class RealData : public testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("KAEM_DATA_DIR");
    if (folder == nullptr) GTEST_SKIP() << "KAEM_DATA_DIR is not set";
    root = folder;
    for (const auto& info : list_datasets(root))
      if (info.name.ends_with("MNIST") && !info.complete) GTEST_SKIP() << info.name << " is not in " << root;
  }
  std::string root;
};

TEST_F(RealData, HasTheKnownMeansAndClassCounts) {
  const auto check = [&](const char* name, double mean, double test_mean, const std::vector<int64_t>& counts) {
    const Dataset data =
        make_dataset({.name = name, .root = root, .train_size = 60000, .test_size = 10000, .offline = true});
    EXPECT_EQ(data.train.sizes(), at::IntArrayRef({60000, 1, 28, 28}));
    EXPECT_EQ(data.test.sizes(), at::IntArrayRef({10000, 1, 28, 28}));
    EXPECT_NEAR(data.train.sum(at::kLong).item<double>() / (60000 * 784.0), mean, 5e-5);
    EXPECT_NEAR(data.test.sum(at::kLong).item<double>() / (10000 * 784.0), test_mean, 5e-5);
    EXPECT_TRUE(at::equal(at::bincount(data.train_labels), at::tensor(counts, at::kLong)));
    EXPECT_TRUE(data.notes.empty());
  };
  check("MNIST", 33.3184, 33.7912, {5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949});
  check("FMNIST", 72.9404, 73.1466, std::vector<int64_t>(10, 6000));
}

TEST_F(RealData, IsAsPublishedAndDownloadsUnchanged) {
  for (const auto& info : list_datasets(root)) {
    if (!info.name.ends_with("MNIST")) continue;
    for (const auto& line : verify_dataset(info.name, root))
      EXPECT_NE(line.find("as published"), std::string::npos) << line;
  }
  const auto info = list_datasets(root).front();
  if (!info.found[0].ends_with(".gz")) return;
  const TemporaryFolder target;
  const test::Environment variable("KAEM_DATA_MIRROR",
                                   "file://" + std::filesystem::path(info.found[0]).parent_path().string());
  int64_t reported = 0;
  fetch_dataset("MNIST", target.str(),
                [&](const std::string&, int64_t done, int64_t) { reported = std::max(reported, done); });
  EXPECT_TRUE(list_datasets(target.str())[0].complete);
  EXPECT_EQ(test::TemporaryFolder().names().size(), 0u);
  EXPECT_GT(reported, 1'000'000);
  EXPECT_EQ(test::get(target / "mnist/train-images-idx3-ubyte.gz"), test::get(info.found[0]));
}

TEST_F(RealData, OfTheOtherSetInTheRootIsPassedOver) {
  const TemporaryFolder target;
  const auto info = list_datasets(root).front();
  for (const auto& path : info.found)
    std::filesystem::create_symlink(path, target / std::filesystem::path(path).filename().string());
  EXPECT_EQ(load(target, 10, 10, "MNIST").train.size(0), 10);
  expect_message(message_of<DataError>([&] { load(target, 10, 10, "FMNIST"); }), {"FMNIST in "});
}

}  // namespace
}  // namespace kaem
