// Prints an .h5ad as AnnDataReader sees it, as JSON: read_sample FILE. For
// tests/python/store_anndata_test.py.
#include <cstdio>
#include <exception>
#include <iostream>

#include "mpira/store/anndata_reader.hpp"

namespace {

using namespace mpira::store;

nlohmann::json frame(AnnDataReader const& reader, std::string const& name) {
    nlohmann::json made{{"index", reader.index(name)}, {"columns", nlohmann::json::object()}};
    for (auto const& column : reader.columns(name)) {
        auto const path = name + "/" + column;
        auto const kind = reader.encoding(path);
        if (kind == "array")
            made["columns"][column] = reader.numbers(path);
        else
            made["columns"][column] = reader.strings(path);
    }
    return made;
}

nlohmann::json array(AnnDataReader const& reader, std::string const& path) {
    auto const info = reader.info(path);
    return {{"shape", info.shape}, {"contiguous", info.offset.has_value()}, {"values", reader.numbers(path)}};
}

}  // namespace

int main(int argc, char** argv) {
    try {
        if (argc != 2) return 2;
        AnnDataReader const reader(argv[1]);
        nlohmann::json out{
            {"obs", frame(reader, "obs")}, {"var", frame(reader, "var")}, {"uns", reader.json()}};
        out["X"] = array(reader, "X");
        auto const typed = reader.array<float>("X");
        out["mapped"] = typed.is_mapped();
        out["floats"] = std::vector<float>(typed.values().begin(), typed.values().end());
        for (auto const& name : reader.keys("obsm")) {
            if (reader.encoding("obsm/" + name) == "array") out["obsm"][name] = array(reader, "obsm/" + name);
        }
        std::cout << out.dump() << "\n";
        return 0;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
