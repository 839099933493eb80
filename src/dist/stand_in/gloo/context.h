#pragma once

#include <chrono>

// LibTorch brings Gloo's code, but not its headers, which those of its process group name. No object of these types is
// made or looked into here: they are pointed at. So the names are enough.
namespace gloo {

class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

}  // namespace gloo
