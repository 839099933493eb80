#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <vector>

namespace kaem::darcy {

/// Fields [N,H,W] of a file, as stored: .npy (the array), .pt of neuraloperator (a dict with x and y), .mat of the FNO
/// paper (MATLAB 5: coeff and sol) and .h5 or MATLAB 7.3 (x and y, or a_field and u_field). `permeability` chooses the
/// coefficient, else the solution. DataError names the file and what was found; ConfigError for another extension.
at::Tensor read_fields(const std::string& path, bool permeability);

/// True where the file holds both fields, so that its permeability is one of two values (or wants a threshold).
bool holds_both(const std::string& path);

}  // namespace kaem::darcy
