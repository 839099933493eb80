#include <ATen/ATen.h>

#include <algorithm>
#include <iostream>
#include <limits>
#include <memory>

#include "commands.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/data/text.h"
#include "kaem/io/file.h"
#include "kaem/io/image.h"
#include "kaem/io/npy.h"
#include "kaem/prior/prior.h"
#include "kaem/train/trainer.h"

namespace kaem::app {
namespace {

constexpr int64_t kChunk = 256;  // draws generated at a time: only their results are kept

struct SampleArguments {
  std::string run, count = "64", latents, interpolate;
};

constexpr const char* kSampleExamples = R"(
Examples:
  kaem sample last -n 64 --out samples.png
  kaem sample runs/MNIST/vanilla/short -n 1000 --out samples.npy --latents z.npy --seed 7
  kaem sample last -n 10 --interpolate 0,5 --out path.png
  kaem sample last -n 16                                     a run on text: lines of words (--out F.txt or F.npy))";

/// Two indices of draws, as in --interpolate 0,5.
std::pair<int64_t, int64_t> ends_of(const std::string& text) {
  const size_t comma = text.find(',');
  if (comma == std::string::npos) throw UsageError(str("--interpolate ", text, ": expected two numbers of draws A,B"));
  const auto index = [&](const std::string& part) {
    return integer_of("--interpolate", part, 0, std::numeric_limits<int32_t>::max());
  };
  return {index(text.substr(0, comma)), index(text.substr(comma + 1))};
}

/// Latents on the line from draw A to draw B in the space of uniforms: z = F⁻¹((1-t) F(z_A) + t F(z_B)).
at::Tensor interpolated(const PriorView& prior, const Rng& rng, std::pair<int64_t, int64_t> ends, int64_t count) {
  const CoordinateDistribution* const distribution = prior.distribution();
  if (distribution == nullptr)
    throw UsageError("--interpolate: a deep prior has no distribution functions of single coordinates to go along");
  const auto first = distribution->cdf(prior.sample(1, rng, Stream::kSample, 0, ends.first));
  const auto last = distribution->cdf(prior.sample(1, rng, Stream::kSample, 0, ends.second));
  std::vector<int64_t> shape(static_cast<size_t>(first.dim()), 1);
  shape[0] = count;
  const auto t = at::linspace(0, 1, count, first.options()).reshape(shape);
  return distribution->icdf(first + t * (last - first));
}

void check_out(const std::string& out) {
  if (!out.empty() && !out.ends_with(".png") && !out.ends_with(".npy") && !out.ends_with(".txt"))
    throw UsageError(str("--out ", out, ": expected a name that ends in .png or .npy (of text: .txt or .npy)"));
}

bool is_text(const LoadedRun& run) { return run.config.model.generator.seq.use(); }

/// The name to write to; nothing: lines of words go to standard output.
std::string out_of(const LoadedRun& run, const std::string& given) {
  const bool text = is_text(run);
  const std::string out = given.empty() && !text ? "samples.png" : given;
  const std::string own = text ? ".txt" : ".png";
  if (!out.empty() && !out.ends_with(own) && !out.ends_with(".npy"))
    throw UsageError(str("--out ", out, ": expected a name that ends in ", own, " or .npy"));
  return out;
}

struct Draws {
  at::Tensor samples;  ///< images [n,C,H,W], or word indices [n,L]
  at::Tensor latents;  ///< float32 [n, latent...]; undefined unless asked for
};

/// `count` samples, of the latents `path` if there is one.
Draws draw(LoadedRun& run, const Rng& rng, int64_t count, const at::Tensor& path, bool keep_latents) {
  std::vector<at::Tensor> samples, latents;
  const auto prior = run.model->prior->view();
  for (int64_t first = 0; first < count; first += kChunk) {
    const int64_t size = std::min(kChunk, count - first);
    const auto z = path.defined() ? path.narrow(0, first, size) : prior->sample(size, rng, Stream::kSample, 0, first);
    // Each chunk takes words of its own, the first those of the run's own samples.
    const auto made =
        is_text(run) ? run.model->generate_sequences(z, rng, Stream::kWords, first) : run.model->generate(z);
    samples.push_back(run.to_images(made));
    if (keep_latents) latents.push_back(z.cpu().to(at::kFloat));
  }
  return {at::cat(samples), keep_latents ? at::cat(latents) : at::Tensor()};
}

void write_samples(const std::string& out, const at::Tensor& samples, const LoadedRun& run) {
  if (out.ends_with(".npy")) return io::write_npy(out, samples);
  if (!is_text(run)) return io::write_png_grid(out, samples);
  std::string lines;
  for (const auto& line : to_lines(samples, run.vocabulary)) lines.append(line).append("\n");
  if (out.empty())
    std::cout << lines;
  else
    io::write_file_atomic(out, lines);
}

void sample(const SampleArguments& a, const Common& common) {
  check_out(common.out);
  check_targets({{"--out", common.out}, {"--latents", a.latents}});
  if (!a.latents.empty() && !a.latents.ends_with(".npy"))
    throw UsageError(str("--latents ", a.latents, ": expected a name that ends in .npy"));
  const int64_t count = integer_of("-n", a.count, 1, 10000000);
  const auto ends = a.interpolate.empty() ? std::pair<int64_t, int64_t>{} : ends_of(a.interpolate);
  prepare_threads(common);
  const at::NoGradGuard no_grad;
  LoadedRun run = load_run(a.run, common.device.empty() ? "auto" : common.device);
  const std::string out = out_of(run, common.out);
  const Rng rng(seed_of(common, run.config.run.seed));
  const auto path = a.interpolate.empty() ? at::Tensor() : interpolated(*run.model->prior->view(), rng, ends, count);
  const Draws draws = draw(run, rng, count, path, !a.latents.empty());
  write_samples(out, draws.samples, run);
  if (!out.empty())
    std::cout << out << ": " << count << (path.defined() ? " samples between two draws" : " samples") << " of "
              << run.folder << " after update " << run.step << "\n";
  if (a.latents.empty()) return;
  io::write_npy(a.latents, draws.latents);
  if (!out.empty())
    std::cout << a.latents << ": their latents, float32 " << shape_text(draws.latents.sizes().slice(1)) << " each\n";
}

}  // namespace

Command add_sample(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("sample", "Draw samples from a trained run");
  const auto a = std::make_shared<SampleArguments>();
  app->add_option("RUN", a->run, "Folder of a run, or last");
  app->add_option("-n,--count", a->count, "Number of samples (64)")->type_name("N");
  app->add_option("--latents", a->latents, "Also write the latents, float32 [N,Q,P]")->type_name("F.npy");
  app->add_option("--interpolate", a->interpolate, "Samples on the way from draw A to draw B")->type_name("A,B");
  app->footer(kSampleExamples);
  const auto run = [a, &common] {
    if (a->run.empty())
      throw UsageError("kaem sample: expected a RUN (a run's folder, or last); see kaem sample --help");
    sample(*a, common);
  };
  return {app, run, {"device", "threads", "seed", "out", "log", "deterministic", "quiet", "verbose", "memory"}};
}

}  // namespace kaem::app
