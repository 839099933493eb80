#include <algorithm>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"
#include "kaem/train/run.h"
#include "kaem/train/version.h"

namespace kaem {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kFormat = 1;

/// N of a file name step_N.json, or -1.
int64_t step_of(const fs::path& path) {
  const std::string stem = path.stem().string();
  if (path.extension() != ".json" || !stem.starts_with("step_")) return -1;
  int64_t step = -1;
  const auto [end, error] = std::from_chars(stem.data() + 5, stem.data() + stem.size(), step);
  return error == std::errc() && end == stem.data() + stem.size() ? step : -1;
}

std::string json_path(const std::string& tensors_path) {
  return fs::path(tensors_path).replace_extension(".json").string();
}

/// Removes what a killed run left: temporary files, and tensors of earlier steps that never got their JSON.
void remove_orphans(const fs::path& folder, int64_t step) {
  std::error_code ignored;
  std::vector<fs::path> orphans;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const auto json = fs::path(entry.path()).replace_extension(".json");
    const int64_t at = step_of(json);
    const bool alone = entry.path().extension() == ".safetensors" && at >= 0 && at < step && !fs::exists(json, ignored);
    if (alone || io::is_temporary_name(entry.path().filename().string())) orphans.push_back(entry.path());
  }
  for (const auto& path : orphans) fs::remove(path, ignored);
}

/// Refuses a JSON that is not one of ours; a format newer than this program's is not damage, so it ends the search.
Json parse_description(const std::string& path) {
  const Json json = Json::parse(io::read_json(path), nullptr, false);
  if (!json.is_object() || !json.contains("format") || !json["format"].is_number_integer())
    throw DataError(path + " is not a checkpoint's description");
  if (json["format"].get<int64_t>() > kFormat)
    throw Error(str(path, " has format ", json["format"].get<int64_t>(), ", written by kaem ",
                    json.contains("version") && json["version"].is_string() ? json["version"].get<std::string>() : "?",
                    "; this is kaem ", version(), " and reads up to format ", kFormat),
                2);
  if (json.contains("config") || json.contains("checksum")) {
    Json body = json;
    body.erase("checksum");
    if (!json.contains("checksum") || json["checksum"] != io::sha256(body.dump()))
      throw DataError(path + " is altered: its checksum is not that of its content");
  }
  for (const auto& [key, is_number] : {std::pair{"step", true}, {"epoch", true}, {"sha256", false}})
    if (!json.contains(key) || (is_number ? !json[key].is_number_integer() : !json[key].is_string()))
      throw DataError(str(path, " has no valid '", key, "'"));
  if (json["step"].get<int64_t>() != step_of(path))
    throw DataError(str(path, " says step ", json["step"].get<int64_t>(), ", which is not that of its name"));
  return json;
}

Checkpoint read_checkpoint(const std::string& path) {
  const Json json = parse_description(json_path(path));
  const std::string image = io::read_file(path);
  if (io::sha256(image) != json["sha256"].get<std::string>())
    throw DataError(
        str(path, " is truncated or altered (", image.size(), " bytes, its SHA-256 is not that of its JSON)"));
  Checkpoint checkpoint;
  checkpoint.step = json["step"].get<int64_t>();
  checkpoint.epoch = json["epoch"].get<int64_t>();
  if (json.contains("seconds") && json["seconds"].is_number()) checkpoint.seconds = json["seconds"].get<double>();
  if (json.contains("config_hash") && json["config_hash"].is_string())
    checkpoint.config_hash = json["config_hash"].get<std::string>();
  if (json.contains("config") && json["config"].is_string()) checkpoint.config = json["config"].get<std::string>();
  if (json.contains("files") && json["files"].is_object())
    for (const auto& [name, digest] : json["files"].items())
      if (digest.is_string()) checkpoint.files[name] = digest.get<std::string>();
  checkpoint.path = path;
  checkpoint.tensors = io::parse_safetensors(image, path).tensors;
  return checkpoint;
}

}  // namespace

std::string RunFolder::checkpoint_path(int64_t step) const {
  return str(path_, "/checkpoints/step_", step, ".safetensors");
}

std::vector<int64_t> RunFolder::checkpoint_steps() const {
  std::vector<int64_t> steps;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(file("checkpoints"), ignored))
    if (const int64_t step = step_of(entry.path()); step >= 0) steps.push_back(step);
  std::sort(steps.begin(), steps.end());
  return steps;
}

void RunFolder::save_checkpoint(const Checkpoint& checkpoint, const io::NamedTensors& tensors, int64_t keep,
                                int64_t best) const {
  const std::string path = checkpoint_path(checkpoint.step);
  const std::string image = io::to_safetensors(tensors, {{"format", str(kFormat)}});
  Json json = {{"format", kFormat},       {"version", version()},       {"config_hash", checkpoint.config_hash},
               {"step", checkpoint.step}, {"epoch", checkpoint.epoch},  {"seconds", checkpoint.seconds},
               {"bytes", image.size()},   {"sha256", io::sha256(image)}};
  if (!checkpoint.config.empty()) json["config"] = checkpoint.config;
  for (const auto& [name, digest] : checkpoint.files) json["files"][name] = digest;
  json["checksum"] = io::sha256(json.dump());
  io::write_file_atomic(path, image);
  io::write_file_atomic(json_path(path), json.dump(2) + "\n");
  remove_surplus(checkpoint.step, keep, best);  // only now that the new one is whole
}

void RunFolder::remove_surplus(int64_t newest, int64_t keep, int64_t best) const {
  // Later steps are none of this: they are left of a run that went back to an older checkpoint.
  auto steps = checkpoint_steps();
  std::erase_if(steps, [&](int64_t s) { return s > newest; });
  const auto surplus = static_cast<int64_t>(steps.size()) - std::max<int64_t>(keep, 1);
  for (int64_t i = 0; i < surplus; ++i) {
    if (steps[static_cast<size_t>(i)] == best) continue;
    std::error_code ignored;
    // The JSON first, as without it a checkpoint does not exist.
    const std::string old = checkpoint_path(steps[static_cast<size_t>(i)]);
    if (fs::remove(json_path(old), ignored)) fs::remove(old, ignored);
  }
  remove_orphans(file("checkpoints"), newest);
}

Checkpoint RunFolder::load_checkpoint() const {
  Checkpoint newest = load_newest();
  if (!best_) return newest;
  const auto found = newest.tensors.lower_bound(kBestTensor);
  if (found == newest.tensors.end() || !found->first.starts_with(kBestTensor))
    throw UsageError(path_ + "/best: the run keeps no best checkpoint ([TRAINING] keep_best)");
  const int64_t step = found->second[1].item<int64_t>();
  return step == newest.step ? newest : load_checkpoint(step);
}

Checkpoint RunFolder::load_checkpoint(int64_t step) const { return read_checkpoint(checkpoint_path(step)); }

Checkpoint RunFolder::load_newest() const {
  const auto steps = checkpoint_steps();
  if (steps.empty()) throw DataError(path_ + " holds no checkpoint yet");
  constexpr size_t kNamed = 3;
  std::vector<std::string> refused;  // why, the newest first
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    try {
      auto checkpoint = read_checkpoint(checkpoint_path(*step));
      for (size_t i = 0; i < std::min(kNamed, refused.size()); ++i) log::warn(refused[i]);
      if (!refused.empty()) log::warn(str("using the older checkpoint of step ", *step));
      return checkpoint;
    } catch (const DataError& e) {
      refused.emplace_back(e.what());
    }
  }
  const size_t others = refused.size() - 1;
  throw DataError(
      str(refused.front(), others > 0 ? str("; of ", others, " older ones none is whole") : "; there is no other one"));
}

}  // namespace kaem
