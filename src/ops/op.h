#pragma once

// What an operator is made of. A folder holds a family of them:
//   op.h                schemas and signatures of the raw operators
//   op.cpp              the public functions: checks, autograd, and the choice of an implementation
//   reference.cpp       the reference implementation, in plain ATen
//   cpu.cpp, simd.h     the fused CPU kernel: tensors to pointers, and vector code
//   cuda.cpp, cuda.cu   the same on a GPU (cuda.h: what the first calls of the second)
// Raw operators take float32 tensors; the public functions give all others to the reference implementation.

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include "kaem/ops/ops.h"

namespace kaem::ops {

using at::Tensor;
using Optional = std::optional<Tensor>;

/// A BasisSpec as an operator has it (`int[3]` in schemas): kind, degree, activation.
using Spec = std::array<int64_t, 3>;

inline Spec numbers_of(const BasisSpec& spec) {
  return {static_cast<int64_t>(spec.kind), spec.degree, static_cast<int64_t>(spec.activation)};
}

inline BasisSpec spec_of(const Spec& numbers) {
  return {static_cast<BasisKind>(numbers[0]), numbers[1], static_cast<Activation>(numbers[2])};
}

/// t, or nothing if it is undefined.
inline Optional optional(const Tensor& t) { return t.defined() ? Optional(t) : std::nullopt; }

/// A text as a template's argument.
template <size_t n>
struct Text {
  // NOLINTNEXTLINE(google-explicit-constructor): written as a literal
  constexpr Text(const char (&text)[n]) { std::copy_n(text, n, chars); }
  char chars[n];
};

/// An operator of LibTorch's dispatcher: its schema, which begins with its name, and the C++ signature of the functions
/// that it is called as and implemented by. LibTorch checks that the two agree.
template <Text schema, class Signature>
class Op;

template <Text schema, class Result, class... Arguments>
class Op<schema, Result(Arguments...)> {
 public:
  Result operator()(Arguments... arguments) const {
    static const auto handle =
        c10::Dispatcher::singleton().findSchemaOrThrow(("kaem::" + name()).c_str(), "").typed<Result(Arguments...)>();
    return handle.call(std::forward<Arguments>(arguments)...);
  }

  /// Makes it known to the dispatcher.
  void define(torch::Library& library) const { library.def(schema.chars); }

  /// Makes `kernel` its implementation for the library's key.
  void add(torch::Library& library, Result (*kernel)(Arguments...)) const { library.impl(name().c_str(), kernel); }

 private:
  static std::string name() {
    const std::string_view text = schema.chars;
    return std::string(text.substr(0, text.find('(')));
  }
};

}  // namespace kaem::ops
