# Spack recipe. From a checkout of mpira:
#
#   spack repo add launch/spack
#   spack dev-build --source-path $PWD mpira@main ^openmpi schedulers=slurm    # or ^mpich, ^cray-mpich
from spack.package import *


class Mpira(CMakePackage):
    """Genome-wide regulatory-genomics campaigns under MPI: one question a forward pass, cut into units, resumable,
    into one HDF5 file that opens in anndata."""

    # No release is published: `spack dev-build` takes the checkout that this recipe lies in.
    version("main")

    variant("cuda", default=False, description="Compute on NVIDIA GPUs (CUDA 13, NCCL)")

    depends_on("cxx", type="build")
    depends_on("c", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("ninja", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi@3.1:")
    depends_on("hdf5@1.10:+mpi+shared")
    depends_on("htslib")
    depends_on("libbigwig")
    depends_on("sqlite@3:")
    depends_on("libdeflate")
    depends_on("c-blosc")
    depends_on("zstd")
    depends_on("xxhash")
    depends_on("cli11")
    depends_on("tomlplusplus")
    depends_on("nlohmann-json")
    depends_on("fmt@9:")
    depends_on("spdlog+fmt_external")
    depends_on("eigen@3.4:")
    depends_on("liblinear")
    depends_on("boost@1.70:")
    depends_on("googletest+gmock", type=("build", "test"))
    depends_on("benchmark", type="build")
    # Pinned: mpira uses c10d's Reducer, which is no stable interface.
    depends_on("py-torch@2.11+distributed")
    depends_on("py-torch~cuda", when="~cuda")
    depends_on("py-torch+cuda+nccl", when="+cuda")
    depends_on("cuda@13", when="+cuda")
    depends_on("nccl", when="+cuda")

    generator("ninja")

    def cmake_args(self):
        torch = join_path(self.spec["py-torch"].prefix, self.spec["python"].package.platlib, "torch")
        args = [
            self.define("LIBTORCH_ROOT", torch),
            self.define("HDF5_ROOT", self.spec["hdf5"].prefix),
            self.define("MPI_CXX_COMPILER", self.spec["mpi"].mpicxx),
            self.define("MPI_C_COMPILER", self.spec["mpi"].mpicc),
            self.define_from_variant("MPIRA_GPU", "cuda"),
            self.define("MPIRA_PLOTLY_JS", "OFF"),  # reports then have their static plots only
        ]
        if self.spec.satisfies("+cuda"):
            args += [
                self.define("MPIRA_CUDA_ROOT", self.spec["cuda"].prefix),
                self.define("NCCL_INCLUDE_DIR", self.spec["nccl"].prefix.include),
                self.define("NCCL_LIBRARY", join_path(self.spec["nccl"].prefix.lib, "libnccl.so")),
            ]
        return args

    def install(self, spec, prefix):
        mkdirp(prefix.bin)
        install(join_path(self.build_directory, "bin", "mpira"), prefix.bin)
        install_tree("launch", prefix.share.mpira.launch)
        install_tree("config", prefix.share.mpira.config)

    @run_after("install")
    @on_package_attributes(run_tests=True)
    def check_install(self):
        Executable(self.prefix.bin.mpira)("--version")
