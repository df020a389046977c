#include "store/row_writer.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include <mpi.h>

#include <fmt/format.h>

#include "mpira/base/error.hpp"

#include "store/hdf5.hpp"

namespace mpira::store {
namespace {

class DirectWriter final : public RowWriter {
public:
    DirectWriter(std::filesystem::path const& file, ResultMap const& map, FileIo& io)
        : file_(file), descriptor_(open_existing(file, true)), io_(&io) {
        for (std::size_t i = 0; i < map.layout.row_arrays.size(); ++i)
            places_.push_back({map.row_offsets[i], map.layout.row_arrays[i].bytes_per_row()});
        places_.push_back({map.done_offset, 1});
        places_.push_back({map.journal_offset, kJournalRowBytes});
        if (map.error_slots > 0) places_.push_back({map.errors_offset, kErrorSlotBytes});
    }

    void write(std::size_t array, std::uint64_t first, std::uint64_t count,
               std::span<std::byte const> bytes) override {
        Place const& place = places_.at(array);
        ensure(bytes.size() == count * place.row_bytes, "rows of another size than the dataset's");
        write_all(*io_, descriptor_.get(), bytes, place.offset + first * place.row_bytes, file_);
    }

    std::optional<std::string> sync() override {
        if (io_->fdatasync(descriptor_.get()) == 0) return std::nullopt;
        return std::string(std::strerror(errno));
    }

private:
    struct Place {
        std::uint64_t offset;
        std::uint64_t row_bytes;
    };
    std::filesystem::path file_;
    Descriptor descriptor_;
    FileIo* io_;
    std::vector<Place> places_;
};

class MpiIoWriter final : public RowWriter {
public:
    MpiIoWriter(std::filesystem::path const& file, ResultMap const& map) {
        int started = 0;
        MPI_Initialized(&started);
        ensure(started != 0, "the MPI-IO writer needs MPI");
        h5::silence();
        h5::Properties const access(h5::check(H5Pcreate(H5P_FILE_ACCESS), "H5Pcreate"));
        // A communicator of this rank alone: no call here waits for another rank, and closing is local.
        h5::check(H5Pset_fapl_mpio(access.get(), MPI_COMM_SELF, MPI_INFO_NULL), "H5Pset_fapl_mpio");
        file_ = h5::File(
            h5::check(H5Fopen(file.c_str(), H5F_ACC_RDWR, access.get()), "opening " + file.string()));
        transfer_ = h5::Properties(h5::check(H5Pcreate(H5P_DATASET_XFER), "H5Pcreate"));
        h5::check(H5Pset_dxpl_mpio(transfer_.get(), H5FD_MPIO_INDEPENDENT), "H5Pset_dxpl_mpio");
        for (auto const& array : map.layout.row_arrays)
            add(array.path, array.flat ? array.bytes_per_row() / size_of(array.type) : 1);
        add(kDone);
        add(kJournal);
        if (map.error_slots > 0) add(kErrors);
    }

    void write(std::size_t array, std::uint64_t first, std::uint64_t count,
               std::span<std::byte const> bytes) override {
        Target const& target = targets_.at(array);
        std::vector<hsize_t> start(target.shape.size(), 0);
        std::vector<hsize_t> extent(target.shape.begin(), target.shape.end());
        start[0] = first * target.entries_per_row;
        extent[0] = count * target.entries_per_row;
        std::uint64_t size = H5Tget_size(target.type.get());
        for (hsize_t const n : extent) size *= n;
        ensure(bytes.size() == size, "rows of another size than the dataset's");
        int const rank = static_cast<int>(extent.size());
        h5::Space const memory(h5::check(H5Screate_simple(rank, extent.data(), nullptr), "H5Screate_simple"));
        h5::Space const place(h5::check(H5Dget_space(target.dataset.get()), "H5Dget_space"));
        h5::check(
            H5Sselect_hyperslab(place.get(), H5S_SELECT_SET, start.data(), nullptr, extent.data(), nullptr),
            "H5Sselect_hyperslab");
        h5::check(H5Dwrite(target.dataset.get(), target.type.get(), memory.get(), place.get(),
                           transfer_.get(), bytes.data()),
                  "writing rows through MPI-IO");
    }

    std::optional<std::string> sync() override {
        if (H5Fflush(file_.get(), H5F_SCOPE_LOCAL) >= 0) return std::nullopt;  // MPI_File_sync
        return h5::take_errors();
    }

private:
    struct Target {
        h5::Dataset dataset;
        h5::Datatype type;  ///< the file's own: no conversion
        std::vector<std::uint64_t> shape;
        std::uint64_t entries_per_row = 1;  ///< of a flat array
    };
    void add(std::string const& path, std::uint64_t entries_per_row = 1) {
        Target target;
        target.entries_per_row = entries_per_row;
        target.dataset = h5::Dataset(h5::check(H5Dopen2(file_.get(), path.c_str(), H5P_DEFAULT), path));
        target.type = h5::Datatype(h5::check(H5Dget_type(target.dataset.get()), "H5Dget_type"));
        target.shape = h5::shape_of(target.dataset.get());
        targets_.push_back(std::move(target));
    }
    h5::File file_;
    h5::Properties transfer_;
    std::vector<Target> targets_;
};

}  // namespace

std::unique_ptr<RowWriter> make_direct_writer(std::filesystem::path const& file, ResultMap const& map,
                                              FileIo& io) {
    return std::make_unique<DirectWriter>(file, map, io);
}

std::unique_ptr<RowWriter> make_mpiio_writer(std::filesystem::path const& file, ResultMap const& map) {
    return std::make_unique<MpiIoWriter>(file, map);
}

}  // namespace mpira::store
