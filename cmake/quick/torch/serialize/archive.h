#pragma once

// Stands before LibTorch's header of this name where a precompiled header is used. torch/nn/module.h includes that for
// two names, and with it all of TorchScript: 3,000 templates that g++ instantiates again in every source that uses the
// precompiled header. Who reads or writes archives includes torch/serialize/input-archive.h and output-archive.h.

namespace torch::serialize {

class InputArchive;
class OutputArchive;

}  // namespace torch::serialize
