#include "photos.h"

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>

namespace kaem::test {
namespace {

void append(void* context, void* data, int size) {
  static_cast<std::string*>(context)->append(static_cast<const char*>(data), static_cast<size_t>(size));
}

}  // namespace

int pixel(int n, int c, int h, int w) { return (n * 20 + c * 40 + h / 2 + w / 2) % 256; }

std::vector<uint8_t> picture(int n, int height, int width, int channels) {
  std::vector<uint8_t> bytes;
  for (int h = 0; h < height; ++h)
    for (int w = 0; w < width; ++w)
      for (int c = 0; c < channels; ++c) bytes.push_back(static_cast<uint8_t>(pixel(n, c, h, w)));
  return bytes;
}

std::string png(int n, int height, int width, int channels) {
  std::string file;
  stbi_write_png_to_func(append, &file, width, height, channels, picture(n, height, width, channels).data(), 0);
  return file;
}

std::string jpeg(int n, int height, int width, int channels) {
  std::string file;
  stbi_write_jpg_to_func(append, &file, width, height, channels, picture(n, height, width, channels).data(), 95);
  return file;
}

}  // namespace kaem::test
