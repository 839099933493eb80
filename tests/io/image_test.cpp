#include "kaem/io/image.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "kaem/core/error.h"
#include "support/files.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_PNG
#include <stb/stb_image.h>

namespace kaem {
namespace {

using test::TemporaryFolder;

/// The PNG as bytes [H,W,C].
at::Tensor read_png(const std::string& path) {
  int width = 0, height = 0, channels = 0;
  stbi_uc* const data = stbi_load(path.c_str(), &width, &height, &channels, 0);
  if (data == nullptr) throw std::runtime_error("not a PNG file");
  const at::Tensor picture = at::from_blob(data, {height, width, channels}, at::kByte).clone();
  stbi_image_free(data);
  return picture;
}

at::Tensor written(const at::Tensor& images, int64_t columns = 0, int64_t padding = 2, int64_t zoom = 0) {
  const TemporaryFolder folder;
  io::write_png_grid(folder / "x.png", images, columns, padding, zoom);
  return read_png(folder / "x.png");
}

TEST(PngGrid, PixelsStandWhereTheyShould) {
  const at::Tensor images = at::arange(5 * 2 * 3, at::kFloat).view({5, 1, 2, 3}) / 255;
  const at::Tensor picture = written(images, 3, 1, 2);
  ASSERT_EQ(picture.sizes(), at::IntArrayRef({2 * (4 + 1) + 1, 3 * (6 + 1) + 1, 1}));
  at::Tensor expected = at::full({11, 22}, 128, at::kByte);
  for (int64_t i = 0; i < 5; ++i)
    for (int64_t y = 0; y < 4; ++y)
      for (int64_t x = 0; x < 6; ++x) expected[1 + i / 3 * 5 + y][1 + i % 3 * 7 + x] = i * 6 + y / 2 * 3 + x / 2;
  EXPECT_TRUE(at::equal(picture.squeeze(2), expected));
}

TEST(PngGrid, ColourKeepsItsChannels) {
  at::Tensor images = at::zeros({1, 3, 1, 1});
  images[0][0] = 1.0;
  images[0][1] = 0.5;
  const at::Tensor picture = written(images, 1, 0, 1);
  EXPECT_TRUE(at::equal(picture.view({3}), at::tensor({255, 128, 0}, at::kByte)));
}

TEST(PngGrid, ValuesAreClampedAndNotANumberIsBlack) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const at::Tensor images = at::tensor({-1.0f, 2.0f, std::nanf(""), kInf, -kInf, 0.5f}).view({1, 1, 1, 6});
  EXPECT_TRUE(at::equal(written(images, 1, 0, 1).view({6}), at::tensor({0, 255, 0, 255, 0, 128}, at::kByte)));
}

TEST(PngGrid, DefaultsGiveAReadableNearlySquarePicture) {
  for (const auto& [count, side] :
       std::vector<std::pair<int64_t, int64_t>>{{64, 28}, {64, 32}, {100, 28}, {1, 28}, {5, 16}, {16, 64}, {30, 28}}) {
    const at::Tensor picture = written(at::zeros({count, 1, side, side}));
    const double width = static_cast<double>(picture.size(1)), height = static_cast<double>(picture.size(0));
    EXPECT_GE(width, 450) << count << " of " << side;
    EXPECT_LE(width, 720) << count << " of " << side;
    EXPECT_LE(height, width + 1);
    EXPECT_GE(height, 0.6 * width);
  }
  EXPECT_EQ(written(at::zeros({64, 1, 28, 28})).size(1), 8 * (3 * 28 + 2) + 2);
}

TEST(PngGrid, FlatImagesGetFewerColumns) {
  const at::Tensor picture = written(at::zeros({8, 1, 10, 40}), 0, 0, 1);
  EXPECT_EQ(picture.sizes(), at::IntArrayRef({40, 80, 1}));
}

TEST(PngGrid, WrongShapesAndPathsAreRefused) {
  const TemporaryFolder folder;
  EXPECT_THROW(io::write_png_grid(folder / "x.png", at::zeros({4, 2, 8, 8})), c10::ValueError);
  EXPECT_THROW(io::write_png_grid(folder / "x.png", at::zeros({8, 8})), c10::ValueError);
  EXPECT_THROW(io::write_png_grid(folder / "x.png", at::zeros({0, 1, 8, 8})), c10::ValueError);
  EXPECT_THROW(io::write_png_grid(folder / "absent/x.png", at::zeros({1, 1, 8, 8})), Error);
  EXPECT_TRUE(folder.names().empty());
}

}  // namespace
}  // namespace kaem
