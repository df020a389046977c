// model_estimator_dump DIR NAME KIND OPTION... : fits an estimator to DIR/{x,y}.f32, predicts DIR/test.f32
// into DIR/NAME.f32, and prints its remark. DIR/shape.txt has columns and outputs. Options: ridge ALPHA;
// forest TREES DEPTH BOOTSTRAP SEED; svr EPSILON C TOLERANCE SEED.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/model/estimator.hpp"

namespace mpira::model {
namespace {

std::vector<float> read(std::filesystem::path const& file) {
    std::vector<float> values(std::filesystem::file_size(file) / sizeof(float));
    std::ifstream in(file, std::ios::binary);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    in.read(reinterpret_cast<char*>(values.data()),
            static_cast<std::streamsize>(values.size() * sizeof(float)));
    ensure(in.good(), file.string());
    return values;
}

std::unique_ptr<Estimator> make(EstimatorShape shape, std::vector<std::string> const& words) {
    auto const number = [&](std::size_t i) { return std::stod(words.at(i)); };
    auto const whole = [&](std::size_t i) { return static_cast<std::uint64_t>(std::stoull(words.at(i))); };
    if (words.at(0) == "ridge") return make_ridge(shape, number(1));
    if (words.at(0) == "forest") {
        return make_forest(
            shape, {.trees = whole(1), .depth = whole(2), .bootstrap = whole(3) != 0, .seed = whole(4)});
    }
    return make_svr(shape, {.epsilon = number(1), .c = number(2), .tolerance = number(3), .seed = whole(4)});
}

void dump(std::filesystem::path const& folder, std::string const& name,
          std::vector<std::string> const& words) {
    EstimatorShape shape;
    std::ifstream(folder / "shape.txt") >> shape.columns >> shape.outputs;
    auto const estimator = make(shape, words);
    auto const x = read(folder / "x.f32");
    auto const y = read(folder / "y.f32");
    auto const rows = y.size() / shape.outputs;
    constexpr std::size_t kBlock = 100;
    for (std::size_t first = 0; first < rows; first += kBlock) {
        auto const count = std::min(kBlock, rows - first);
        estimator->add(std::span(x).subspan(first * shape.columns, count * shape.columns),
                       std::span(y).subspan(first * shape.outputs, count * shape.outputs));
    }
    estimator->fit({});
    auto const test = read(folder / "test.f32");
    std::vector<float> predicted(test.size() / shape.columns * shape.outputs);
    estimator->predict(test, predicted);
    std::ofstream out(folder / (name + ".f32"), std::ios::binary);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    out.write(reinterpret_cast<char const*>(predicted.data()),
              static_cast<std::streamsize>(predicted.size() * sizeof(float)));
    fmt::print("{}\n", estimator->remark());
}

}  // namespace
}  // namespace mpira::model

int main(int argc, char** argv) {
    std::vector<std::string> const words(argv + 1, argv + argc);
    if (words.size() < 3) return 2;
    try {
        mpira::model::dump(words[0], words[1], {words.begin() + 2, words.end()});
    } catch (std::exception const& error) {
        fmt::print(stderr, "{}\n", error.what());
        return 1;
    }
}
