#include "kaem/kan/basis.h"

#include <array>

#include "kaem/core/table.h"

namespace kaem {
namespace {

constexpr auto kBases = std::to_array<Named<ops::BasisKind>>({
#define KAEM_ROW(name, word, family) {word, ops::BasisKind::k##name},
    KAEM_BASES(KAEM_ROW)
#undef KAEM_ROW
});

/// The wavelet_type word for "Wavelet", and the reference's short form of the Mexican hat.
std::string canonical_kind(const BasisOptions& options) {
  std::string kind = same_name(options.kind, "Wavelet") ? options.wavelet : options.kind;
  return same_name(kind, "MH") ? "MexicanHat" : kind;
}

}  // namespace

std::vector<std::string> basis_names() { return names_of(kBases); }

std::vector<std::string> wavelet_names() {
  std::vector<std::string> names = {"MH"};
  for (const auto& row : kBases)
    if (ops::is_wavelet(row.value)) names.emplace_back(row.name);
  return names;
}

ops::BasisSpec make_basis_spec(const BasisOptions& options) {
  return {find(kBases, "spline_function", canonical_kind(options)), options.degree,
          ops::parse_activation(options.activation)};
}

bool has_movable_knots(ops::BasisKind kind) {
  const ops::BasisFamily family = ops::family_of(kind);
  return family == ops::BasisFamily::kPieces || family == ops::BasisFamily::kRadial;
}

bool has_bandwidth(ops::BasisKind kind) {
  const ops::BasisFamily family = ops::family_of(kind);
  return family == ops::BasisFamily::kRadial || family == ops::BasisFamily::kFourier || kind == ops::BasisKind::kMorlet;
}

}  // namespace kaem
