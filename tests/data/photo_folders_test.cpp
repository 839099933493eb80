// What of folders, archives and lists are the pictures of a data set, and what is said of the rest.
#include <algorithm>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/data/folder.h"
#include "photos.h"

namespace kaem {
namespace {

using namespace test;

TEST_F(Photos, ExtraOnesOfArchivesAndHiddenOnesAreNoData) {
  std::vector<std::pair<std::string, std::string>> files;
  for (int n = 0; n < 4; ++n) {
    files.emplace_back(str("img_align_celeba/00000", n, ".jpg"), jpeg(n, 218, 178));
    files.emplace_back(str("__MACOSX/img_align_celeba/._00000", n, ".jpg"), "AppleDouble");
    put(root / str("faces/f", n, ".png"), png(n, 16, 16));
    put(root / str("faces/._f", n, ".png"), "AppleDouble");
  }
  put(root / "faces/__MACOSX/g.png", "AppleDouble");
  put(root / "faces/.thumbnails/g.png", png(1, 16, 16));
  put(root / "celeba/img_align_celeba.zip", zip_file(files));
  const Dataset archive = load("CELEBA", 3, 1);
  EXPECT_EQ(archive.train.size(0), 3);
  const auto said = [](const Dataset& data, const std::string& what) {
    return std::any_of(data.notes.begin(), data.notes.end(),
                       [&](const std::string& note) { return note.find(what) != std::string::npos; });
  };
  EXPECT_TRUE(said(archive, "CELEBA: files left out as no data, with names that begin with a dot or in __MACOSX: 4"));
  const Dataset folder =
      make_dataset({.name = "FOLDER", .root = root / "faces", .train_size = 3, .test_size = 1, .offline = true});
  EXPECT_EQ(folder.train.size(0), 3);
  EXPECT_TRUE(said(folder, "or in __MACOSX: 6"));
}

TEST_F(Photos, NamesOfPicturesThatAreNoFilesAreCounted) {
  for (int n = 0; n < 4; ++n) put(root / str("f", n, ".png"), png(n, 16, 16));
  std::filesystem::create_symlink(root / "gone.png", root / "x.png");
  std::filesystem::create_directory(root / "folder.png");
  EXPECT_EQ(verify_dataset("FOLDER", root.str()),
            std::vector<std::string>{root.str() +
                                     ": 4 pictures, all of them readable (no files, or of kinds that are not read, "
                                     "left out: 2)"});
}

/// Where the list and the pictures differ, both numbers are said, whichever parts the list names.
TEST_F(Photos, PartitionsThatDoNotFitThePicturesAreTold) {
  std::string list;
  for (int n = 0; n < 6; ++n) {
    put(root / str("celeba/img_align_celeba/00000", n, ".jpg"), jpeg(n, 218, 178));
    if (n < 4) list += str("00000", n, ".jpg 0\n");
  }
  put(root / "celeba/list_eval_partition.txt", list + "000008.jpg 0\n000009.jpg 0\n000007.jpg 0\n");
  const Dataset data = load("CELEBA", 2, 2);
  const auto said = [&](const std::string& what) {
    return std::count(data.notes.begin(), data.notes.end(), "CELEBA: pictures that the list of parts " + what);
  };
  EXPECT_EQ(said("does not name are trained on: 2"), 1);
  EXPECT_EQ(said("names and that are not there: 3"), 1);
}

TEST_F(Photos, KagglesLayoutAndListAreRead) {
  std::string list = "\xef\xbb\xbfimage_id,partition\r\n";
  for (int n = 0; n < 6; ++n) {
    put(root / str("img_align_celeba/img_align_celeba/00000", n, ".jpg"), jpeg(n, 218, 178));
    list += str("00000", n, ".jpg,", n % 3, "\r\n");
  }
  put(root / "list_eval_partition.csv", list);
  const Dataset data = load("CELEBA", 2, 2);
  EXPECT_TRUE(data.notes.empty());
  EXPECT_FALSE(data.test_from_training);
  EXPECT_NEAR(data.test[0][0][0][0].item<int>() - data.train[0][0][0][0].item<int>(), 40, 6);  // 2 and 0
}

TEST_F(Photos, VerifyNamesEachThatCannotBeRead) {
  for (int n = 0; n < 4; ++n) put(root / str("f", n, ".jpg"), jpeg(n, 32, 32));
  put(root / "._f.jpg", "AppleDouble");
  EXPECT_EQ(verify_dataset("FOLDER", root.str()),
            std::vector<std::string>{root.str() + ": 4 pictures, all of them readable (hidden files left out: 1)"});
  put(root / "f1.jpg", jpeg(1, 32, 32).substr(0, 400));
  put(root / "f3.jpg", "RIFF....WEBP");
  std::vector<std::string> lines;
  const std::string message = message_of<DataError>(
      [&] { verify_dataset("FOLDER", root.str(), [&](const auto& line) { lines.push_back(line); }); });
  expect_message(message, {"2 of 4 pictures cannot be read", "f1.jpg: damaged JPEG"});
  ASSERT_EQ(lines.size(), 2u);
  expect_message(lines[1], {"f3.jpg", "WebP"});
}

}  // namespace
}  // namespace kaem
