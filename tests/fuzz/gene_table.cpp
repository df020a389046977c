// Numbers about genes; the first byte chooses whether two columns are asked for or all are read.
#include "mpira/genome/gene_table.hpp"

#include <string>
#include <vector>

#include "fuzz/hostile.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    fuzz::Bytes const bytes(data, size);
    return fuzz::read_or_refuse([&] {
        static std::vector<std::string> const cell_types{"Kc", "Mbn2"};
        if (bytes.empty()) return;
        bool const all = bytes[0] % 2 == 1;
        genome::GeneTable const table(fuzz::in_file(bytes.subspan(1), "fuzz.tsv"),
                                      all ? std::span<std::string const>() : cell_types);
        for (std::size_t gene = 0; gene < table.genes().size(); ++gene)
            ensure(
                table.find(table.genes()[gene]) == gene && table.row(gene).size() == table.columns().size(),
                "a gene read isn't found");
    });
}
