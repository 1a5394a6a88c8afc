// Generated from contracts/src/PermitProbe.sol by contracts/build.ts. Do not edit.
export const agreeableWalletAbi = [
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "",
        "type": "bytes32"
      },
      {
        "internalType": "bytes",
        "name": "",
        "type": "bytes"
      }
    ],
    "name": "isValidSignature",
    "outputs": [
      {
        "internalType": "bytes4",
        "name": "magicValue",
        "type": "bytes4"
      }
    ],
    "stateMutability": "pure",
    "type": "function"
  }
] as const;

export const agreeableWalletBytecode = '0x6080806040523460135760b4908160188239f35b5f80fdfe60808060405260043610156011575f80fd5b5f3560e01c631626ba7e146023575f80fd5b3460b05760407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011260b05760243567ffffffffffffffff811160b0573660238201121560b057806004013567ffffffffffffffff811160b0573691016024011160b057807f1626ba7e0000000000000000000000000000000000000000000000000000000060209252f35b5f80fd' as const;
