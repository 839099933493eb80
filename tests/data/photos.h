#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "kaem/data/dataset.h"
#include "support.h"
#include "support/files.h"

/// Pictures that tests write, and folders of them.
namespace kaem::test {

/// Pixel of image n: smooth, so that JPEG keeps it nearly.
int pixel(int n, int c, int h, int w);

/// All of them, a row after the other, channels last.
std::vector<uint8_t> picture(int n, int height, int width, int channels = 3);

/// Files of them.
std::string png(int n, int height, int width, int channels = 3);
std::string jpeg(int n, int height, int width, int channels = 3);

struct Photos : testing::Test {
  TemporaryFolder cache, root;
  Environment variable{"XDG_CACHE_HOME", cache.str()};

  Dataset load(const std::string& name, int64_t train, int64_t test, std::vector<int64_t> resize = {}) {
    return make_dataset({.name = name,
                         .root = root.str(),
                         .train_size = train,
                         .test_size = test,
                         .resize = std::move(resize),
                         .offline = true});
  }
  std::string cache_file() {
    std::filesystem::directory_iterator entry(cache / "kaem");
    return entry->path().string();
  }
};

}  // namespace kaem::test
