#include "meta.h"

#include <ATen/Version.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "kaem/core/duration.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/train/version.h"

namespace kaem {
namespace {

using Json = nlohmann::ordered_json;

std::string now() { return local_time("%Y-%m-%dT%H:%M:%S%z"); }

/// What may differ from one session of a run to the next.
Json session(const RunMeta& meta) {
  return {{"time", now()},
          {"command", meta.command_line},
          {"version", version()},
          {"git_revision", git_revision()},
          {"libtorch", libtorch_version()},
          {"device", meta.device},
          {"threads", meta.threads},
          {"processes", meta.processes},
          {"cpu_capability", at::get_cpu_capability()}};
}

Json sources_json(const RunMeta& meta) {
  Json sources = Json::array();
  for (const auto& [path, digest] : meta.sources) sources.push_back({{"path", path}, {"sha256", digest}});
  return sources;
}

std::vector<std::string> digests(const Json& sources) {
  std::vector<std::string> result;
  for (const auto& s : sources)
    if (s.is_object() && s.contains("sha256")) result.push_back(s["sha256"].dump());
  return result;
}

// Arguments are bytes of the user's; those that are no UTF-8 must not make the JSON writer throw.
std::string print(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

}  // namespace

std::string first_session_json(const Config& config, const RunMeta& meta) {
  Json json = session(meta);
  json["seed"] = config.run.seed;
  json["dataset"] = config.run.dataset;
  json["mode"] = config.run.mode;
  json["data"] = sources_json(meta);
  json["resumed"] = Json::array();
  return print(json);
}

std::string next_session_json(const std::string& before, const std::string& path, int64_t step, const RunMeta& meta) {
  Json json = Json::parse(before, nullptr, false);
  if (!json.is_object()) {
    log::warn(path + " is missing or damaged: begun anew");
    json = session(meta);
    json["data"] = sources_json(meta);
  }
  const Json next = session(meta);
  for (const char* key : {"libtorch", "device", "threads", "cpu_capability"})
    if (json.contains(key) && json[key] != next[key])
      log::warn(str("the run was started with ", key, " = ", json[key].dump(), ", it goes on with ", next[key].dump(),
                    ": numbers may differ in their last bits"));
  if (json.contains("data") && digests(json["data"]) != digests(sources_json(meta)))
    log::warn("the data files are not those that the run was started with (see " + path + ")");
  Json entry = {{"step", step}};
  entry.update(next);
  if (!json.contains("resumed") || !json["resumed"].is_array()) json["resumed"] = Json::array();
  json["resumed"].push_back(entry);
  return print(json);
}

std::string derived_json(const std::string& before, const std::string& path, const std::string& from, int64_t step,
                         const std::string& command_line) {
  Json json = Json::parse(before, nullptr, false);
  if (!json.is_object()) {
    log::warn(path + " is missing or damaged: begun anew");
    json = session({});
  }
  json["derived"] = {{"from", std::filesystem::absolute(from).lexically_normal().string()},
                     {"step", step},
                     {"time", now()},
                     {"command", command_line},
                     {"version", version()}};
  return print(json);
}

bool is_newly_derived(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  return json.is_object() && json.contains("derived") && !json.contains("resumed");
}

bool names_data(const std::string& text, const std::vector<std::pair<std::string, std::string>>& sources) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("data")) return true;
  RunMeta here;
  here.sources = sources;
  const auto found = digests(sources_json(here)), own = digests(json["data"]);
  return std::all_of(own.begin(), own.end(), [&](const std::string& digest) {
    return std::find(found.begin(), found.end(), digest) != found.end();
  });
}

}  // namespace kaem
