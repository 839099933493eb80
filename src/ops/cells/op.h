#pragma once

#include "ops/op.h"

namespace kaem::ops::raw {

/// The four of CellMasses and d log_normaliser/d log_density [C,K] (empty unless with_gradient).
inline constexpr Op<
    "cell_masses(Tensor log_density, Tensor widths, bool split_edges, bool with_gradient)"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor>(const Tensor& log_density, const Tensor& widths,
                                                       bool split_edges, bool with_gradient)>
    cell_masses;

}  // namespace kaem::ops::raw
