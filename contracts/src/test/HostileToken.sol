// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice A token that misbehaves in the way it is told to.
contract HostileToken is ERC20 {
    enum Mode {
        Honest,
        RevertWithReason,
        RevertSilently,
        ReturnFalse,
        ReturnFalseAfterMoving,
        ReturnNothing,
        ReturnTrueWithoutMoving,
        TakeFee,
        BurnGas,
        RevertBomb,
        ReturnBomb,
        Reenter,
        PermitBurnsGas,
        PermitBomb,
        TrustBurnsGas
    }

    /// @notice The size of the data that the bombs answer with.
    uint256 private constant BOMB_BYTES = 60_000;

    error HostileRefusal(address from, uint256 amount);

    Mode public mode;
    bool public trustsEveryone;

    address public reentryTarget;
    bytes public reentryData;
    /// @notice How the call made from inside `transferFrom` ended.
    bool public reentryTried;
    bool public reentrySucceeded;
    bytes public reentryAnswer;

    constructor() ERC20("Hostile", "HOST") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function setMode(Mode mode_) external {
        mode = mode_;
    }

    function setReentry(address target, bytes calldata data) external {
        mode = Mode.Reenter;
        reentryTarget = target;
        reentryData = data;
    }

    function setTrustsEveryone(bool trusts) external {
        trustsEveryone = trusts;
    }

    function isTrustedForwarder(address) external view returns (bool) {
        if (mode == Mode.TrustBurnsGas) _burnGas();
        return trustsEveryone;
    }

    /// @notice No permit at all, whatever is signed.
    function permit(address, address, uint256, uint256, uint8, bytes32, bytes32) external view {
        if (mode == Mode.PermitBurnsGas) _burnGas();
        if (mode == Mode.PermitBomb) _revertBomb();
        revert("no permit");
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        Mode current = mode;
        if (current == Mode.RevertWithReason) revert HostileRefusal(from, amount);
        if (current == Mode.RevertSilently) {
            assembly ("memory-safe") {
                revert(0, 0)
            }
        }
        if (current == Mode.ReturnFalse) return false;
        if (current == Mode.ReturnTrueWithoutMoving) return true;
        if (current == Mode.BurnGas) _burnGas();
        if (current == Mode.RevertBomb) _revertBomb();
        if (current == Mode.Reenter) _reenter();
        super.transferFrom(from, to, amount);
        if (current == Mode.TakeFee) _burn(to, amount / 100);
        if (current == Mode.ReturnFalseAfterMoving) return false;
        if (current == Mode.ReturnNothing) {
            assembly ("memory-safe") {
                return(0, 0)
            }
        }
        if (current == Mode.ReturnBomb) {
            uint256 size = BOMB_BYTES;
            assembly ("memory-safe") {
                let start := mload(0x40)
                mstore(start, 1)
                return(start, size)
            }
        }
        return true;
    }

    function _reenter() private {
        (bool success, bytes memory answer) = reentryTarget.call(reentryData);
        reentryTried = true;
        reentrySucceeded = success;
        reentryAnswer = answer;
    }

    function _burnGas() private pure {
        assembly ("memory-safe") {
            invalid()
        }
    }

    function _revertBomb() private pure {
        uint256 size = BOMB_BYTES;
        assembly ("memory-safe") {
            revert(mload(0x40), size)
        }
    }
}
