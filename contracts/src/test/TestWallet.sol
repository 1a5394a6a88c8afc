// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @notice A contract account (ERC-1271) with one owner.
contract TestWallet is IERC1271 {
    enum Mode {
        AskOwner,
        RefuseAll,
        Revert,
        BurnGas,
        /// Accepts, after using up a million gas.
        WasteGas,
        /// Accepts; in a block it burns all it gets, but not where a call is only simulated.
        TurnCostly
    }

    address public immutable owner;
    Mode public mode;
    /// @notice What the owner signed on the chain: for these an empty signature is enough, as with a Safe.
    mapping(bytes32 hash => bool isSigned) public signedOnChain;

    constructor(address owner_) {
        owner = owner_;
    }

    function setMode(Mode mode_) external {
        mode = mode_;
    }

    function signOnChain(bytes32 hash) external {
        signedOnChain[hash] = true;
    }

    /// @notice Does anything for anyone: it is a wallet for tests.
    function perform(address target, bytes calldata data) external {
        (bool success, ) = target.call(data);
        require(success, "call failed");
    }

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        if (mode == Mode.Revert) revert("wallet is closed");
        if (mode == Mode.WasteGas) {
            uint256 until = gasleft() - 1_000_000;
            while (gasleft() > until) {}
        }
        if (mode == Mode.BurnGas || (mode == Mode.TurnCostly && tx.gasprice > 0)) {
            assembly ("memory-safe") {
                invalid()
            }
        }
        if (signature.length == 0 && mode == Mode.AskOwner) {
            return signedOnChain[hash] ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
        }
        (address recovered, ECDSA.RecoverError problem, ) = ECDSA.tryRecoverCalldata(hash, signature);
        bool asksOwner = mode == Mode.AskOwner || mode == Mode.WasteGas || mode == Mode.TurnCostly;
        bool valid = asksOwner && problem == ECDSA.RecoverError.NoError && recovered == owner;
        return valid ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }
}
