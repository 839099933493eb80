#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <thread>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/data/dataset.h"
#include "kaem/data/folder.h"
#include "kaem/io/decode.h"
#include "photos.h"

namespace kaem {
namespace {

using namespace test;

TEST(Decode, PngAndJpegGiveThePixels) {
  const auto plain = io::decode_image(png(3, 20, 30), 0, "p");
  EXPECT_EQ(plain.height, 20);
  EXPECT_EQ(plain.width, 30);
  EXPECT_EQ(plain.channels, 3);
  EXPECT_EQ(plain.bytes, picture(3, 20, 30));
  const auto grey = io::decode_image(png(3, 20, 30, 1), 0, "p");
  EXPECT_EQ(grey.channels, 1);
  EXPECT_EQ(grey.bytes, picture(3, 20, 30, 1));
  EXPECT_EQ(io::decode_image(png(3, 20, 30, 1), 3, "p").channels, 3);
  const auto lossy = io::decode_image(jpeg(3, 24, 32), 0, "j");
  ASSERT_EQ(lossy.bytes.size(), 24u * 32 * 3);
  const auto exact = picture(3, 24, 32);
  for (size_t i = 0; i < exact.size(); ++i) EXPECT_NEAR(lossy.bytes[i], exact[i], 12);
  EXPECT_EQ(io::decode_image(jpeg(3, 24, 32, 1), 1, "j").channels, 1);
}

TEST(Decode, DamageIsRefusedByName) {
  for (const std::string& file : {png(1, 16, 16), jpeg(1, 16, 16)})
    for (const size_t size : {size_t{0}, size_t{2}, size_t{30}, file.size() / 2})
      expect_message(message_of<DataError>([&] { io::decode_image(file.substr(0, size), 0, "cut"); }), {"cut: "});
  expect_message(message_of<DataError>([] { io::decode_image("text", 0, "no.png"); }), {"no.png: not a picture"});
}

TEST_F(Photos, FacesAreCroppedAndResized) {
  for (int n = 0; n < 8; ++n) put(root / str("celeba/img_align_celeba/00000", n, ".png"), png(n, 218, 178));
  const Dataset data = load("CELEBA", 6, 2);
  EXPECT_EQ(data.shape, (std::array<int64_t, 3>{3, 64, 64}));
  ASSERT_EQ(data.train.sizes(), at::IntArrayRef({6, 3, 64, 64}));
  EXPECT_EQ(data.train.scalar_type(), at::kByte);
  EXPECT_GT(data.test.max().item<int>(), 0);
  // Record 4 by hand: rows 39 to 178, columns 19 to 158.
  const auto bytes = picture(4, 218, 178);
  const at::Tensor crop = at::tensor(at::ArrayRef<uint8_t>(bytes), at::kByte)
                              .view({218, 178, 3})
                              .permute({2, 0, 1})
                              .slice(1, 39, 179)
                              .slice(2, 19, 159)
                              .unsqueeze(0)
                              .to(at::kFloat);
  const at::Tensor expected = at::_upsample_bilinear2d_aa(crop, {64, 64}, false).round();
  const at::Tensor batch = data.batch(0, 6, Rng(1)), index = data.batch_index(0, 6, Rng(1));
  const int64_t place = index.eq(4).nonzero().item<int64_t>();
  EXPECT_TRUE(at::allclose(batch[place] * 255, expected.flatten(), 0, 1e-3));
  EXPECT_TRUE(at::equal(data.train[4], expected[0].to(at::kByte)));
  const Dataset small = load("CELEBA", 6, 2, {20, 10});
  EXPECT_EQ(small.test.sizes(), at::IntArrayRef({2, 3, 20, 10}));
}

TEST_F(Photos, ArchivesAndPartitionsAreHeeded) {
  std::vector<std::pair<std::string, std::string>> files;
  std::string list;
  for (int n = 0; n < 9; ++n) {
    files.emplace_back(str("img_align_celeba/00000", n, ".jpg"), jpeg(n, 218, 178));
    list += str("00000", n, ".jpg ", n % 3, "\n");
  }
  put(root / "celeba/img_align_celeba_subset.zip", zip_file(files));
  Dataset data = load("CELEBAPANG", 9, 2);
  EXPECT_EQ(data.train.size(0), 7);
  expect_message(data.notes[0], {"the last 2 training images are the test set", "has no list of its parts"});
  put(root / "celeba/list_eval_partition.txt", list);
  data = load("CELEBA", 3, 3);
  EXPECT_TRUE(data.notes.empty() && data.batch(0, 3, Rng(1)).defined());
  const auto colour = [](const at::Tensor& x) { return x[0][0][0].item<int>(); };  // 20 more from image to image
  EXPECT_NEAR(colour(data.train[1]) - colour(data.train[0]), 60, 6);               // 0, 3, 6
  EXPECT_NEAR(colour(data.test[0]) - colour(data.train[0]), 40, 6);                // 2, 5, 8
  put(root / "celeba/list_eval_partition.txt", "000000.jpg 7\n");
  const std::string said = "list_eval_partition.txt:1: expected a name and 0, 1 or 2";
  expect_message(message_of<DataError>([&] { load("CELEBA", 3, 3); }), {said});
  expect_message(message_of<DataError>([&] { verify_dataset("CELEBA", root.str()); }), {said});
}

TEST_F(Photos, TheCacheIsUsedAndCheckedRowByRow) {
  for (int n = 0; n < 5; ++n) put(root / str("celeba/00000", n, ".png"), png(n, 218, 178));
  const at::Tensor first = load("CELEBA", 4, 1).batch(0, 4, Rng(1));
  const std::string path = cache_file();
  ASSERT_FALSE(path.empty());
  // Other pixels with their right checksum come back: nothing is decoded a second time.
  std::string bytes = get(path);
  const size_t rows = 2 * 4096, size = 3 * 64 * 64;
  ASSERT_EQ(bytes.size(), rows + 5 * size);
  const auto put_sum = [&](size_t row) {
    const auto sum = crc32(0, reinterpret_cast<const Bytef*>(bytes.data() + rows + row * size), size);
    bytes.replace(4096 + 4 * row, 4, word32(sum));
  };
  for (size_t row = 0; row < 4; ++row) bytes.replace(rows + row * size, size, std::string(size, '\x33')), put_sum(row);
  put(path, bytes);
  EXPECT_TRUE(at::allclose(load("CELEBA", 4, 1).batch(0, 4, Rng(1)), at::full({4, int64_t{size}}, 0.2), 0, 1e-6));
  // A row that was written in part is decoded again.
  bytes[rows + 2 * size + 9] = 'x';
  put(path, bytes);
  const Dataset repaired = load("CELEBA", 4, 1);
  repaired.batch(0, 4, Rng(1));
  EXPECT_EQ(repaired.train[1].max().item<int>(), 0x33);
  EXPECT_NE(repaired.train[2].max().item<int>(), 0x33);
  // So is everything in a file that is cut or foreign.
  for (const std::string& other :
       {bytes.substr(0, rows + size), std::string("foreign"), std::string(bytes.size(), 'x')}) {
    put(path, other);
    const Dataset data = load("CELEBA", 4, 1);
    EXPECT_TRUE(at::equal(data.batch(0, 4, Rng(1)), first));
    EXPECT_NE(std::find_if(data.notes.begin(), data.notes.end(),
                           [](const auto& note) { return note.find("made again") != std::string::npos; }),
              data.notes.end());
  }
}

TEST_F(Photos, WithoutACacheFolderTheyStayInMemory) {
  for (int n = 0; n < 3; ++n) put(root / str("00000", n, ".png"), png(n, 218, 178));
  put(cache / "kaem", "a file where the folder would be");
  const Dataset data = load("CELEBA", 2, 1);
  EXPECT_GT(data.batch(0, 2, Rng(1)).max().item<float>(), 0);
  expect_message(data.notes.back(), {"kept in memory, not in a cache file: cannot open"});
}

TEST_F(Photos, WithoutSpaceForAllThereIsNoCacheFile) {
  // A limit of file sizes stands for the full disk: both fail where space is reserved.
  for (int n = 0; n < 3; ++n) put(root / str("00000", n, ".png"), png(n, 218, 178));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{16384, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Dataset data = load("CELEBA", 2, 1);
  const at::Tensor batch = data.batch(0, 2, Rng(1));
  ::setrlimit(RLIMIT_FSIZE, &before), std::signal(SIGXFSZ, old);
  EXPECT_GT(batch.max().item<float>(), 0);
  expect_message(data.notes.back(), {"kept in memory, not in a cache file: ", ".bin"});
  EXPECT_TRUE(!std::filesystem::exists(cache / "kaem") || std::filesystem::is_empty(cache / "kaem"))
      << "nothing is left that takes space";
  EXPECT_TRUE(at::equal(load("CELEBA", 2, 1).batch(0, 2, Rng(1)), batch));
}

TEST_F(Photos, ACacheFileWithHolesIsFilledBeforeItIsUsed) {
  for (int n = 0; n < 3; ++n) put(root / str("00000", n, ".png"), png(n, 218, 178));
  const at::Tensor batch = load("CELEBA", 2, 1).batch(0, 2, Rng(1)).clone();
  for (const auto& entry : std::filesystem::directory_iterator(cache / "kaem")) {
    const auto size = entry.file_size();
    std::filesystem::resize_file(entry.path(), 4096), std::filesystem::resize_file(entry.path(), size);
    EXPECT_TRUE(at::equal(load("CELEBA", 2, 1).batch(0, 2, Rng(1)), batch));
    struct stat info {};
    ASSERT_EQ(::stat(entry.path().c_str(), &info), 0);
    EXPECT_GE(static_cast<uintmax_t>(info.st_blocks) * 512, size);
  }
}

TEST_F(Photos, DamagedOnesEndTheRunBeforeItBeginsOrAreLeftOut) {
  for (int n = 0; n < 6; ++n) put(root / str("celeba/00000", n, ".jpg"), jpeg(n, 218, 178));
  put(root / "celeba/000001.jpg", jpeg(1, 218, 178).substr(0, 900));
  put(root / "celeba/000004.jpg", jpeg(4, 100, 178));
  for (int attempt = 0; attempt < 2; ++attempt)  // with and without the cache of the first
    expect_message(message_of<DataError>([&] { load("CELEBA", 3, 2); }),
                   {"celeba/000001.jpg: damaged JPEG", "; 2 of 5 pictures cannot be read", "[DATA] damaged = skip"});
  expect_message(message_of<DataError>([&] { load("CELEBA", 1, 2); }),
                 {"000004.jpg: an image of 178x100 pixels is smaller than the crop of 140x140", "1 of 3"});
  EXPECT_EQ(load("CELEBA", 1, 1).train.size(0), 1);  // damaged ones that are not used matter to nobody
  DatasetOptions options{.name = "CELEBA", .root = root.str(), .train_size = 3, .test_size = 2, .offline = true};
  options.damaged = "skip";
  for (int attempt = 0; attempt < 2; ++attempt) {
    const Dataset data = make_dataset(options);
    EXPECT_EQ(data.train.size(0), 3);  // 0, 2, 3
    EXPECT_EQ(data.test.size(0), 1);   // 5
    data.batch(0, 3, Rng(1));
    EXPECT_GT(data.train.flatten(1).amax(1).min().item<int>(), 0);
    EXPECT_NEAR(data.train[1][0][0][0].item<int>() - data.train[0][0][0][0].item<int>(), 40, 6);
    EXPECT_TRUE(std::any_of(data.notes.begin(), data.notes.end(), [](const std::string& note) {
      return note.find("pictures left out as they cannot be read: 2, the first: ") != std::string::npos;
    }));
  }
  put(root / "img_align_celeba.zip", "PK not a zip");
  std::filesystem::remove_all(root / "celeba");
  expect_message(message_of<DataError>([&] { load("CELEBA", 3, 1); }),
                 {"img_align_celeba.zip: cannot be read as a zip archive"});
  std::filesystem::remove(root / "img_align_celeba.zip");
  expect_message(message_of<DataError>([&] { load("CELEBA", 3, 1); }),
                 {"CELEBA in ", "missing img_align_celeba.zip", "mmlab", "into " + root / "celeba"});
}

TEST_F(Photos, TheTestSetOfAFolderIsDrawnByNames) {
  for (int n = 0; n < 40; ++n) put(root / str(n < 20 ? "a" : "b", "/", n, ".png"), png(0, 8, 8 + n));
  const auto widths = [&](int64_t test) {
    std::vector<int> of_test;
    const Dataset data = load("FOLDER", 40, test, {8, 8});
    EXPECT_EQ(data.train.size(0), 40 - test);
    for (int64_t i = 0; i < test; ++i) of_test.push_back(data.test[i].to(at::kInt).sum().item<int>());
    return of_test;
  };
  EXPECT_EQ(widths(10), widths(10));
  const Dataset data = load("FOLDER", 30, 10, {8, 8});
  EXPECT_TRUE(data.test_from_training);
  expect_message(data.notes[0], {"10 of 40 pictures, drawn by their names, are the test set"});
  const Dataset small = load("FOLDER", 100, 40, {8, 8});
  EXPECT_EQ(small.test.size(0), 8) << "a fifth";
  expect_message(small.notes[0], {"40 pictures; of the 40 test pictures asked for (N_test) 8 are taken"});
}

TEST_F(Photos, FoldersChooseASize) {
  for (int n = 0; n < 5; ++n) put(root / str("f", n, ".png"), png(n, 100, 90 + n));
  const Dataset data = load("FOLDER", 4, 1);
  EXPECT_EQ(data.shape, (std::array<int64_t, 3>{3, 64, 64}));
  EXPECT_EQ(folder_shape(root.str()), data.shape);
  EXPECT_TRUE(std::any_of(data.notes.begin(), data.notes.end(), [](const std::string& note) {
    return note.find("of several sizes, the shorter side 92 pixels in the median, are cut and resized to 64x64") !=
           std::string::npos;
  }));
  for (int n = 0; n < 5; ++n) put(root / str("f", n, ".png"), png(n, 25 + n, 22, 1));
  EXPECT_EQ(load("FOLDER", 4, 1).shape, (std::array<int64_t, 3>{1, 16, 16}));  // 22 is nearer to 16 than to 32
  for (int n = 0; n < 5; ++n) put(root / str("f", n, ".png"), png(n, 28, 20, n == 3 ? 3 : 1));
  EXPECT_EQ(load("FOLDER", 4, 1).shape, (std::array<int64_t, 3>{3, 28, 20}));  // of one small size: kept
}

/// Pictures twice as wide as high are cut to their middle, not squeezed, whether they have one size or several.
TEST_F(Photos, PicturesKeepTheirProportions) {
  for (int n = 0; n < 3; ++n) put(root / str("f", n, ".png"), png(n, 64, 128));
  const auto middle = [&](const Dataset& data) {
    EXPECT_EQ(data.shape, (std::array<int64_t, 3>{3, 64, 64}));
    return data.train[0][1][20][10].item<int>();
  };
  EXPECT_EQ(middle(load("FOLDER", 3, 0)), pixel(0, 1, 20, 32 + 10));
  const Dataset resized = load("FOLDER", 3, 0, {64, 64});
  EXPECT_EQ(middle(resized), pixel(0, 1, 20, 32 + 10));
  expect_message(resized.notes.back(), {"cut to the proportions of 64x64"});
  EXPECT_TRUE(load("FOLDER", 3, 0, {32, 64}).notes.empty());
}

TEST_F(Photos, FoldersOfOneAndOfManySizes) {
  put(root / "b/two.png", png(5, 16, 16));
  put(root / "a.png", png(1, 16, 16));
  put(root / "notes.txt", "no image");
  Dataset data = load("FOLDER", 2, 0);
  EXPECT_EQ(data.shape, (std::array<int64_t, 3>{3, 16, 16}));
  data.batch(0, 2, Rng(1));
  EXPECT_EQ(data.train[1][2][3][4].item<int>(), pixel(5, 2, 3, 4));  // sorted: a.png, b/two.png
  put(root / "b/wide.PNG", png(2, 32, 64));
  data = load("FOLDER", 3, 0);
  EXPECT_EQ(data.shape, (std::array<int64_t, 3>{3, 16, 16}));
  // The wide one: the centre 32x32, halved.
  EXPECT_NEAR(data.train[2][1][8][8].item<int>(), pixel(2, 1, 17, 16 + 17), 2);
  EXPECT_EQ(load("FOLDER", 2, 1, {8, 4}).test.sizes(), at::IntArrayRef({1, 3, 8, 4}));
  const TemporaryFolder empty;
  expect_message(message_of<DataError>([&] { make_dataset({.name = "FOLDER", .root = empty.str()}); }),
                 {empty.str() + ": holds no images"});
  put(empty / "._a.png", "x"), put(empty / "b.webp", "x");
  expect_message(message_of<DataError>([&] { make_dataset({.name = "FOLDER", .root = empty.str()}); }),
                 {": holds no images", "passed over: 1 hidden, 1 of other kinds"});
}

TEST_F(Photos, TwoThreadsMayAskAtOnce) {
  for (int n = 0; n < 40; ++n) put(root / str("f", n, ".png"), png(n, 20, 20));
  const at::Tensor all = at::arange(36, at::kLong);
  at::Tensor expected;
  {
    const TemporaryFolder cache_of_its_own;
    const Environment elsewhere("XDG_CACHE_HOME", cache_of_its_own.str());
    const Dataset data = load("FOLDER", 36, 4);
    data.prepare_rows(all);
    expected = data.train.clone();
  }
  EXPECT_GT(expected.flatten(1).amax(1).min().item<int>(), 0);
  // Two stores, as of two programs that fill one cache, and two threads of each.
  const Dataset data = load("FOLDER", 36, 4), again = load("FOLDER", 36, 4);
  std::vector<std::thread> others;
  for (const Dataset* one : {&data, &again, &again}) others.emplace_back([&, one] { one->prepare_rows(all); });
  data.prepare_rows(all.flip(0));
  for (auto& other : others) other.join();
  EXPECT_TRUE(at::equal(data.train, expected));
  EXPECT_TRUE(at::equal(again.train, expected));
}

TEST_F(Photos, LinksThatLeadBackCountOnce) {
  for (int n = 0; n < 6; ++n) put(root / str("a/f", n, ".png"), png(n, 20, 20));
  std::filesystem::create_directory_symlink(root.str(), root / "a/self");
  std::filesystem::create_directory_symlink(root / "a", root / "b");
  const Dataset data = load("FOLDER", 100, 2);
  EXPECT_EQ(data.train.size(0) + data.test.size(0), 6);
}

TEST_F(Photos, RealFacesAreAllThere) {
  const char* folder = std::getenv("KAEM_DATA_DIR");
  if (folder == nullptr) GTEST_SKIP() << "KAEM_DATA_DIR is not set";
  if (!std::filesystem::exists(std::string(folder) + "/celeba/img_align_celeba_subset.zip"))
    GTEST_SKIP() << "no celeba/img_align_celeba_subset.zip in " << folder;
  const Dataset data =
      make_dataset({.name = "CELEBA", .root = folder, .train_size = 100000, .test_size = 100, .offline = true});
  EXPECT_EQ(data.train.size(0), 4227);
  EXPECT_EQ(data.test.size(0), 100);
  const at::Tensor batch = data.batch(0, 64, Rng(1));
  EXPECT_GT(batch.mean().item<float>(), 0.3);
  EXPECT_LT(batch.mean().item<float>(), 0.7);
  EXPECT_GT(batch.std(1).min().item<float>(), 0.05);
}

}  // namespace
}  // namespace kaem
