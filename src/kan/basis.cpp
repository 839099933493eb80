#include "kaem/kan/basis.h"

#include <array>

#include "kaem/core/table.h"

namespace kaem {
namespace {

constexpr auto kBases = std::to_array<Named<ops::BasisKind>>({
    {"B-spline", ops::BasisKind::kBSpline},
    {"RBF", ops::BasisKind::kRbf},
    {"RSWAF", ops::BasisKind::kRswaf},
    {"FFT", ops::BasisKind::kFft},
    {"Cheby", ops::BasisKind::kCheby},
    {"DoG", ops::BasisKind::kDog},
    {"MexicanHat", ops::BasisKind::kMexicanHat},
    {"Morlet", ops::BasisKind::kMorlet},
    {"Shannon", ops::BasisKind::kShannon},
});

/// The wavelet_type word for "Wavelet", and the reference's short form of the Mexican hat.
std::string canonical_kind(const BasisOptions& options) {
  std::string kind = same_name(options.kind, "Wavelet") ? options.wavelet : options.kind;
  return same_name(kind, "MH") ? "MexicanHat" : kind;
}

}  // namespace

std::vector<std::string> basis_names() { return names_of(kBases); }

ops::BasisSpec make_basis_spec(const BasisOptions& options) {
  return {find(kBases, "spline_function", canonical_kind(options)), options.degree,
          ops::parse_activation(options.activation)};
}

bool has_movable_knots(ops::BasisKind kind) {
  return kind != ops::BasisKind::kFft && kind != ops::BasisKind::kCheby && !ops::is_wavelet(kind);
}

bool has_bandwidth(ops::BasisKind kind) {
  using enum ops::BasisKind;
  return kind == kRbf || kind == kRswaf || kind == kFft || kind == kMorlet;
}

}  // namespace kaem
