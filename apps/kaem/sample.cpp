#include <ATen/ATen.h>

#include <algorithm>
#include <iostream>
#include <limits>
#include <memory>

#include "commands.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/image.h"
#include "kaem/train/trainer.h"

namespace kaem::app {
namespace {

constexpr int64_t kChunk = 256;  // draws generated at a time, so that memory does not grow with the number asked for

struct SampleArguments {
  std::string run, count = "64", latents, interpolate;
};

constexpr const char* kExamples = R"(
Examples:
  kaem sample last -n 64 --out samples.png
  kaem sample runs/MNIST/vanilla/short -n 1000 --out samples.npy --latents z.npy --seed 7
  kaem sample last -n 10 --interpolate 0,5 --out path.png)";

/// Two indices of draws, as in --interpolate 0,5.
std::pair<int64_t, int64_t> ends_of(const std::string& text) {
  const size_t comma = text.find(',');
  if (comma == std::string::npos) throw UsageError(str("--interpolate ", text, ": want two numbers of draws A,B"));
  const auto index = [&](const std::string& part) {
    return integer_of("--interpolate", part, 0, std::numeric_limits<int32_t>::max());
  };
  return {index(text.substr(0, comma)), index(text.substr(comma + 1))};
}

/// Latents on the line from draw A to draw B in the space of uniforms: z = F⁻¹((1-t) F(z_A) + t F(z_B)).
at::Tensor interpolated(Prior& prior, const Rng& rng, std::pair<int64_t, int64_t> ends, int64_t count) {
  const auto first = prior.cdf(prior.sample(1, rng, Stream::kSample, 0, ends.first));
  const auto last = prior.cdf(prior.sample(1, rng, Stream::kSample, 0, ends.second));
  std::vector<int64_t> shape(static_cast<size_t>(first.dim()), 1);
  shape[0] = count;
  const auto t = at::linspace(0, 1, count, first.options()).reshape(shape);
  return prior.icdf(first + t * (last - first));
}

void check_out(const std::string& path) {
  if (!path.ends_with(".png") && !path.ends_with(".npy"))
    throw UsageError(str("--out ", path, ": want a name that ends in .png or .npy"));
}

void sample(const SampleArguments& a, const Common& common) {
  const std::string out = common.out.empty() ? "samples.png" : common.out;
  check_out(out);
  const int64_t count = integer_of("-n", a.count, 1, 10000000);
  const auto ends = a.interpolate.empty() ? std::pair<int64_t, int64_t>{} : ends_of(a.interpolate);
  prepare_threads(common);
  const at::NoGradGuard no_grad;
  LoadedRun run = load_run(a.run, common.device.empty() ? "auto" : common.device);
  const Rng rng(seed_of(common, run.config.run.seed));
  Prior& prior = *run.model->prior;

  const auto path = a.interpolate.empty() ? at::Tensor() : interpolated(prior, rng, ends, count);
  std::vector<at::Tensor> images, latents;
  for (int64_t first = 0; first < count; first += kChunk) {
    const int64_t size = std::min(kChunk, count - first);
    const auto z = path.defined() ? path.narrow(0, first, size) : prior.sample(size, rng, Stream::kSample, 0, first);
    images.push_back(run.model->generate(z).cpu());
    if (!a.latents.empty()) latents.push_back(z.cpu().to(at::kFloat));
  }
  if (out.ends_with(".npy"))
    io::write_npy(out, at::cat(images));
  else
    io::write_png_grid(out, at::cat(images));
  std::cout << out << ": " << count << (path.defined() ? " samples between two draws" : " samples") << " of "
            << run.folder << " after update " << run.step << "\n";
  if (a.latents.empty()) return;
  io::write_npy(a.latents, at::cat(latents));
  std::cout << a.latents << ": their latents, float32 " << shape_text(latents.front().sizes().slice(1)) << " each\n";
}

}  // namespace

Command add_sample(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("sample", "Draw samples from a trained run");
  const auto a = std::make_shared<SampleArguments>();
  app->add_option("RUN", a->run, "Folder of a run, or last");
  app->add_option("-n,--count", a->count, "Number of samples (64)")->type_name("N");
  app->add_option("--latents", a->latents, "Also write the latents, float32 [N,Q,P]")->type_name("F.npy");
  app->add_option("--interpolate", a->interpolate, "Samples on the way from draw A to draw B")->type_name("A,B");
  app->footer(kExamples);
  const auto run = [a, &common] {
    if (a->run.empty()) throw UsageError("kaem sample: want a RUN (a run's folder, or last); see kaem sample --help");
    sample(*a, common);
  };
  return {app, run, {"device", "threads", "seed", "out", "log", "deterministic", "quiet", "verbose", "memory"}};
}

}  // namespace kaem::app
