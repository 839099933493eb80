#include <ATen/ops/cat.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/data/cache_folder.h"
#include "kaem/data/darcy.h"
#include "kaem/io/file.h"
#include "kaem/io/safetensors.h"

namespace kaem::darcy {
namespace {

constexpr int64_t kSize = 32;       // of the fields given out
constexpr int64_t kRefinement = 3;  // odd: the centre of a coarse cell is the centre of a fine one
constexpr int64_t kGrid = kSize * kRefinement;
constexpr int64_t kBlock = 64;  // fields between two reports
constexpr char kFormat[] = "1";

/// high: uint8 [N,32,32], 1 where a = 12; u: float32 [N,32,32].
struct Fields {
  at::Tensor high, u;
  int64_t count() const { return high.defined() ? high.size(0) : 0; }
};

std::string digest(const Fields& fields) {
  const at::Tensor high = fields.high.contiguous(), u = fields.u.contiguous();
  const auto bytes = [](const at::Tensor& t) {
    return std::string_view(static_cast<const char*>(t.const_data_ptr()), t.nbytes());
  };
  return io::sha256(io::sha256(bytes(high)) + io::sha256(bytes(u)));
}

io::Metadata describe(const Fields& fields, uint64_t seed) {
  return {{"kind", "kaem darcy fields"},  {"format", kFormat},       {"seed", str(seed)}, {"grid", str(kGrid)},
          {"count", str(fields.count())}, {"sha256", digest(fields)}};
}

/// The fields of a cache file; DataError if it is damaged, of another format or of another problem.
Fields parse_cache(const std::string& path, uint64_t seed) {
  const std::string image = io::read_file(path);
  io::SafetensorsContent content = io::parse_safetensors(image, path);
  const auto shaped = [&](const char* name, at::ScalarType type) {
    const auto found = content.tensors.find(name);
    if (found == content.tensors.end() || found->second.scalar_type() != type || found->second.dim() != 3 ||
        found->second.size(1) != kSize || found->second.size(2) != kSize)
      throw DataError(str(path, ": holds no Darcy fields of this program"));
    return found->second;
  };
  Fields fields{shaped("high", at::kByte), shaped("u", at::kFloat)};
  if (fields.u.size(0) != fields.high.size(0)) throw DataError(path + ": holds no Darcy fields of this program");
  for (const auto& [key, expected] : describe(fields, seed))
    if (content.metadata[key] != expected)
      throw DataError(
          str(path, ": ", key, " is '", content.metadata[key].substr(0, 80), "', expected '", expected, "'"));
  return fields;
}

Fields read_cache(const std::string& path, uint64_t seed, std::vector<std::string>& notes) {
  std::error_code error;
  if (path.empty() || !std::filesystem::exists(path, error)) return {};
  try {
    return parse_cache(path, seed);
  } catch (const DataError& damage) {
    notes.push_back(str("the cached Darcy fields are not usable and are solved again: ", damage.what()));
    return {};
  }
}

void write_cache(const std::string& path, const Fields& fields, uint64_t seed, std::vector<std::string>& notes) {
  if (path.empty()) {
    notes.emplace_back("the Darcy fields are not cached: neither XDG_CACHE_HOME nor HOME is set");
    return;
  }
  try {
    const auto folder = std::filesystem::path(path).parent_path();
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) throw Error(str("cannot make folder ", folder.string(), ": ", error.message()));
    io::write_file_atomic(path, io::to_safetensors({{"high", fields.high}, {"u", fields.u}}, describe(fields, seed)));
  } catch (const Error& failure) {
    notes.push_back(str("the Darcy fields are not cached: ", failure.what()));
  }
}

/// Every third value from the second on: the centres of the coarse cells.
at::Tensor coarse(const at::Tensor& fine) {
  return fine.slice(1, kRefinement / 2, kGrid, kRefinement).slice(2, kRefinement / 2, kGrid, kRefinement);
}

/// `fields` with those up to `count` added.
Fields extend(const Fields& fields, int64_t count, uint64_t seed,
              const std::function<void(int64_t, int64_t)>& progress) {
  const Rng rng(seed);
  const int64_t first = fields.count();
  std::vector<at::Tensor> high, u;
  if (first > 0) high.push_back(fields.high), u.push_back(fields.u);
  for (int64_t i = first; i < count; i += kBlock) {
    const at::Tensor a = permeability(std::min(kBlock, count - i), kGrid, rng, i);
    high.push_back(coarse(a).gt(6).to(at::kByte));
    u.push_back(coarse(solve(a)).to(at::kFloat));
    if (progress) progress(std::min(i + kBlock, count) - first, count - first);
  }
  return {at::cat(high).contiguous(), at::cat(u).contiguous()};
}

}  // namespace

std::pair<at::Tensor, at::Tensor> fields(int64_t count, uint64_t seed, std::vector<std::string>* notes,
                                         const std::function<void(int64_t, int64_t)>& progress) {
  TORCH_CHECK_VALUE(count >= 1, "darcy::fields: expected count >= 1, got ", count);
  std::vector<std::string> unheard;
  std::vector<std::string>& heard = notes != nullptr ? *notes : unheard;
  const std::string folder = cache_folder();
  const std::string path = folder.empty() ? "" : str(folder, "/darcy_seed", seed, ".safetensors");
  Fields known = read_cache(path, seed, heard);
  if (known.count() < count) {
    known = extend(known, count, seed, progress);
    write_cache(path, known, seed, heard);
  }
  const at::Tensor high = known.high.narrow(0, 0, count);
  // Copies, so that a large cache does not stay in memory behind a small request.
  return {at::where(high.to(at::kBool), 12.0, 3.0).to(at::kFloat), known.u.narrow(0, 0, count).clone()};
}

}  // namespace kaem::darcy
