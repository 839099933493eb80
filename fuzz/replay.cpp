#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#ifndef KAEM_REPLAY_STRIDE  // of inputs that are slow, one in so many
#define KAEM_REPLAY_STRIDE 1
#endif

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

/// Runs a target over the files and folders named, without a fuzzer: every input, every prefix of it and every single
/// bit flipped in its first kilobyte. A fault ends the program by a signal or an exception.
int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  std::vector<fs::path> paths;
  for (int i = 1; i < argc; ++i) {
    if (fs::is_directory(argv[i])) {
      for (const auto& entry : fs::directory_iterator(argv[i])) paths.push_back(entry.path());
    } else {
      paths.emplace_back(argv[i]);
    }
  }
  std::sort(paths.begin(), paths.end());
  size_t runs = 0;
  const auto run = [&](const std::string& bytes) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    ++runs;
  };
  for (const auto& path : paths) {
    std::cerr << path.string() << "\n";  // so that the last line names the input at fault
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      std::cerr << "cannot read " << path.string() << "\n";
      return 2;
    }
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    run(bytes);
    for (size_t size = 0; size < bytes.size(); size += KAEM_REPLAY_STRIDE) run(bytes.substr(0, size));
    for (size_t bit = 0; bit < 8 * std::min<size_t>(bytes.size(), 1024); bit += KAEM_REPLAY_STRIDE) {
      std::string flipped = bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
      run(flipped);
    }
  }
  std::cerr << paths.size() << " files, " << runs << " inputs\n";
  return paths.empty() ? 2 : 0;
}
