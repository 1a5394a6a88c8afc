// Generated from contracts/src/libraries/Batches.sol by contracts/build.ts. Do not edit.
export const batchesAbi = [
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "index",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "available",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "required",
        "type": "uint256"
      }
    ],
    "name": "BatchGasTooLow",
    "type": "error"
  }
] as const;

export const batchesBytecode = '0x6080806040523460175760039081601c823930815050f35b5f80fdfe5f80fd' as const;
