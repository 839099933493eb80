#pragma once

#include <string>
#include <vector>

#include "kaem/io/safetensors.h"

namespace torch::nn {
class Module;
}

namespace kaem {

/// Exponential moving average of a module's parameters, kept beside the raw ones: a ← decay·a + (1-decay)·p after every
/// update, starting from the weights as they are at construction. Buffers (knots) are copied.
///
/// Coefficients mean nothing without the knots they belong to, so the average keeps its own copy of the knots: when a
/// grid update has moved them, `refit` carries the averaged curves over to the new knots before averaging goes on.
class Ema {
 public:
  /// `module` must outlive this. `decay` 0: off, every call does nothing.
  Ema(torch::nn::Module& module, double decay);

  bool enabled() const { return decay_ > 0; }

  /// After every update of the weights.
  void update();

  /// After every grid update: refits the averaged coefficients of layers whose knots are no longer the average's.
  void refit();

  /// Exchanges the module's values and the averages; a second call restores both exactly.
  void swap();

  /// "ema.NAME" of every parameter and buffer; the tensors are the averages themselves.
  io::NamedTensors named_state() const;

 private:
  struct Entry {
    std::string name;
    at::Tensor average;
    bool is_parameter;
  };
  at::Tensor* find(const std::string& name);

  torch::nn::Module* module_;
  double decay_;
  std::vector<Entry> entries_;
};

}  // namespace kaem
