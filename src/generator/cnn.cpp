#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "generator/generators.h"
#include "generator/network.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

using at::Tensor;

constexpr double kMomentum = 0.1, kEpsilon = 1e-5;  // of batch norm, PyTorch's

/// One transposed convolution.
struct UpLayer {
  Tensor weight, bias;                                       ///< [in,out,k,k], [out]
  Tensor norm_weight, norm_bias, running_mean, running_var;  ///< [out], undefined without batch norm
  Tensor skip;                                               ///< [out,in,1,1], undefined where not needed
  int64_t stride = 1, padding = 0;

  Tensor convolve(const Tensor& x) const {
    return at::conv_transpose2d(x, weight, bias, {stride, stride}, {padding, padding});
  }
  Tensor normalise(const Tensor& x, bool training) const {
    if (!norm_weight.defined()) return x;
    return at::batch_norm(x, norm_weight, norm_bias, running_mean, running_var, training, kMomentum, kEpsilon,
                          /*cudnn_enabled=*/true);
  }
  /// The layer's input as an image of the result's size and channels.
  Tensor enlarged(const Tensor& x, const Tensor& result) const {
    return at::upsample_nearest2d(skip.defined() ? at::conv2d(x, skip) : x, result.sizes().slice(2));
  }
  template <class F>
  void each(F&& f) {
    f(weight), f(bias), f(norm_weight), f(norm_bias), f(running_mean), f(running_var), f(skip);
  }
  /// Batch norm by running statistics is a scale and a shift of each channel.
  void fold_norm() {
    if (!norm_weight.defined()) return;
    const Tensor scale = norm_weight * (running_var + kEpsilon).rsqrt();
    bias = (bias - running_mean) * scale + norm_bias;
    weight = weight * scale.reshape({1, -1, 1, 1});
    norm_weight = Tensor();
  }
};

/// Latent -> image. docs/mathematics.md section 3.
struct Network {
  CnnOptions options;
  DataShape shape;
  ops::Activation activation;
  network::Dense projection;  ///< undefined tensors without `projection`
  std::vector<UpLayer> layers;

  /// u [n,q] -> [n,C·H·W]
  Tensor run(const Tensor& u, bool training) const {
    const Tensor latent = u.reshape({u.size(0), u.size(1), 1, 1});
    Tensor x = latent;
    if (options.projection)
      x = projection(u).reshape({u.size(0), options.dims[0], options.init_spatial, options.init_spatial});
    for (size_t l = 0; l < layers.size(); ++l) x = step(l, x, latent, training);
    const int64_t top = (x.size(2) - shape[1]) / 2, left = (x.size(3) - shape[2]) / 2;
    return x.narrow(2, top, shape[1]).narrow(3, left, shape[2]).flatten(1);
  }

  Tensor step(size_t l, const Tensor& x, const Tensor& latent, bool training) const {
    const UpLayer& layer = layers[l];
    const bool concat = options.latent_concat && l > 0;
    const Tensor y = layer.convolve(concat ? at::cat({x, latent.expand({-1, -1, x.size(2), x.size(3)})}, 1) : x);
    if (l + 1 == layers.size()) return y;
    Tensor hidden = layer.normalise(y, training);
    if (options.residual) hidden = hidden + layer.enlarged(x, hidden);
    return network::activate(hidden, activation, options.leakyrelu_slope);
  }

  template <class F>
  void each(F&& f) {
    projection.each(f);
    for (auto& layer : layers) layer.each(f);
  }
};

/// The size that the layers give along one axis; ConfigError where a layer would give nothing.
int64_t stack_size(const CnnOptions& o) {
  int64_t size = o.projection ? o.init_spatial : 1;
  for (size_t l = 0; l < o.strides.size(); ++l) {
    size = (size - 1) * o.strides[l] - 2 * o.paddings[l] + o.kernels[l];
    if (size < 1 || size > (1 << 16))
      throw ConfigError(str("[CNN] strides, kernel_sizes, paddings: layer ", l, " gives images of ", size, " rows"));
  }
  return size;
}

void check(const CnnOptions& o, const DataShape& shape) {
  const size_t layers = o.dims.size() + 1;
  for (const auto& [name, list] :
       {std::pair{"strides", &o.strides}, {"kernel_sizes", &o.kernels}, {"paddings", &o.paddings}})
    if (list->size() != layers)
      throw ConfigError(str("[CNN] ", name, ": want ", layers,
                            " numbers, one more than hidden_feature_dims (the last layer gives the image), got ",
                            list->size()));
  if (o.projection && (o.dims.empty() || o.init_spatial < 1))
    throw ConfigError("[CNN] projection = true: want init_spatial of 1 or more, and hidden_feature_dims");
  const int64_t size = stack_size(o);
  for (const int64_t wanted : {shape[1], shape[2]})
    if (size < wanted || size >= 2 * wanted)
      throw ConfigError(str("[CNN] strides, kernel_sizes, paddings: the layers give ", size, "x", size, " from ",
                            o.projection ? o.init_spatial : 1, "x", o.projection ? o.init_spatial : 1,
                            ", the data are ", shape[1], "x", shape[2],
                            "; want that size or a little more (the edges are cut off): each layer gives"
                            " (size - 1)·stride - 2·padding + kernel; ",
                            size < wanted ? "add a layer or a larger stride" : "leave out a layer"));
}

/// Transposed convolutions, initialised as PyTorch's (Kaiming uniform).
struct CnnGenerator : Generator {
  CnnGenerator(const CnnOptions& options, int64_t latent_width, const DataShape& shape, const Rng& rng)
      : net{options, shape, ops::parse_activation(options.activation), {}, {}} {
    check(options, shape);
    network::InitialDraws draws(rng, network::kCnnSteps);
    int64_t channels = latent_width;
    if (options.projection) {
      channels = options.dims[0];
      net.projection = network::add_dense(*this, "projection", latent_width,
                                          channels * options.init_spatial * options.init_spatial, draws);
    }
    for (size_t l = 0; l < options.strides.size(); ++l) {
      const bool last = l + 1 == options.strides.size();
      const int64_t out = last ? shape[0] : options.dims[l];
      torch::nn::Module& child = network::add_child(*this, str("layer", l));
      net.layers.push_back(
          convolution(child, l, channels + (options.latent_concat && l > 0 ? latent_width : 0), out, draws));
      if (!last) add_extras(child, net.layers.back(), channels, out, draws);
      channels = out;
    }
  }

  Tensor forward(const Tensor& u) override { return net.run(u, is_training()); }
  bool depends_on_batch() const override { return net.options.batchnorm; }

  std::unique_ptr<FrozenGenerator> freeze() override {
    const c10::AutoGradMode no_grad(false);
    Network frozen = network::detached(net);
    for (auto& layer : frozen.layers) layer.fold_norm();
    return std::make_unique<network::Frozen>(
        [frozen = std::move(frozen)](const Tensor& u, const Tensor&) { return frozen.run(u, /*training=*/false); });
  }

  Network net;

 private:
  UpLayer convolution(torch::nn::Module& child, size_t l, int64_t in, int64_t out, network::InitialDraws& draws) const {
    const int64_t k = net.options.kernels[l];
    // PyTorch counts the outputs of a transposed convolution as its fan-in.
    const double bound = 1 / std::sqrt(static_cast<double>(out * k * k));
    UpLayer layer;
    layer.weight = child.register_parameter("weight", draws.uniform(bound, {in, out, k, k}));
    layer.bias = child.register_parameter("bias", draws.uniform(bound, {out}));
    layer.stride = net.options.strides[l], layer.padding = net.options.paddings[l];
    return layer;
  }

  /// Batch norm and skip connection of a hidden layer.
  void add_extras(torch::nn::Module& child, UpLayer& layer, int64_t in, int64_t out,
                  network::InitialDraws& draws) const {
    if (net.options.batchnorm) {
      layer.norm_weight = child.register_parameter("norm_weight", at::ones({out}));
      layer.norm_bias = child.register_parameter("norm_bias", at::zeros({out}));
      layer.running_mean = child.register_buffer("running_mean", at::zeros({out}));
      layer.running_var = child.register_buffer("running_var", at::ones({out}));
    }
    const double bound = 1 / std::sqrt(static_cast<double>(in));
    if (net.options.residual && in != out)
      layer.skip = child.register_parameter("skip", draws.uniform(bound, {out, in, 1, 1}));
  }
};

}  // namespace

std::shared_ptr<Generator> make_cnn_generator(const CnnOptions& options, int64_t latent_width, const DataShape& shape,
                                              const Rng& rng) {
  return std::make_shared<CnnGenerator>(options, latent_width, shape, rng);
}

}  // namespace kaem
